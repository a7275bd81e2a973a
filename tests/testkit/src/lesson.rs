//! What the steps teach: each promise is asked of the step that makes it and of all later
//! ones. The functions stand in the order of the steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::failure::expect;
use kernelfiles::cgroup::words;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::{Promises, checks};
use crate::program::{Ended, Program, Running, STARTED};

/// All lessons but [`OF_ANSWERS`].
pub const ALL: &[Promises] = &[
    (
        2..=8,
        checks![
            executes_the_command,
            waits_until_the_command_has_ended,
            passes_standard_input_on,
            ends_as_the_command_ends,
            runs_a_shell_in_a_terminal,
        ],
    ),
    (3..=8, checks![keeps_a_new_hostname_inside]),
    (4..=8, checks![sets_the_hostname_before_the_command_starts]),
    (5..=8, checks![numbers_its_processes_from_1]),
    (
        6..=8,
        checks![
            shows_the_root_filesystem_as_root,
            starts_in_the_new_root,
            has_the_root_filesystem_as_root_on_the_host,
            cannot_see_above_its_root,
        ],
    ),
    (
        7..=8,
        checks![
            sees_only_its_own_processes,
            keeps_its_mounts_inside,
            keeps_a_mount_of_the_command_inside,
        ],
    ),
    (
        8..=8,
        checks![
            is_in_a_cgroup_with_a_cap_of_20,
            stops_a_fork_bomb,
            has_a_cgroup_for_each_container,
        ],
    ),
];

/// The lesson that makes a container dependable, too: our answers are asked for it. They need
/// not keep the others, since they may have another hostname, or refuse the command what it tries.
pub const OF_ANSWERS: &[Promises] = &[(5..=8, checks![leaves_no_process_behind_after_sigkill])];

fn executes_the_command(program: &Program) -> Result<()> {
    program
        .run(&["echo", "Hello,", "world"])
        .end()?
        .exits(0)?
        .prints("Hello, world")?;
    // Joined to one line for a shell, the words would be others.
    let ended = program.run(&["echo", "two  blanks; 'and  more'"]).end()?;
    let holds = ended.line_with("two ") == "two  blanks; 'and  more'";
    ended.expected(
        "each word as it was given, with its blanks and quotes, and no shell that reads it anew",
        holds,
    )?;
    Ok(())
}

fn waits_until_the_command_has_ended(program: &Program) -> Result<()> {
    let start = Instant::now();
    let ended = program.run_shell("sleep 0.2; echo done").end()?;
    let waited = start.elapsed() >= Duration::from_millis(200);
    ended.expected("an end after 0.2 s, when the command has ended", waited)?;
    ended.exits(0)?.prints("done")?;
    Ok(())
}

fn passes_standard_input_on(program: &Program) -> Result<()> {
    let call = program.run(&["cat"]).with_input("one line\nand another\n");
    call.end()?.exits(0)?.prints("one line\nand another")?;
    Ok(())
}

fn ends_as_the_command_ends(program: &Program) -> Result<()> {
    program.run_shell("exit 3").end()?.exits(3)?;
    program.run(&["true"]).end()?.exits(0)?;
    Ok(())
}

fn runs_a_shell_in_a_terminal(program: &Program) -> Result<()> {
    let mut terminal = program.run(&["bash", "--norc"]).in_terminal()?;
    // The empty line ends that of the prompt: on some terminals bash does not.
    terminal.type_line("echo; echo $((6 * 7))")?;
    terminal.wait_for("42")?;
    terminal.type_line("exit")?;
    terminal.ends()?;
    Ok(())
}

fn keeps_a_new_hostname_inside(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    // As long as it runs, too: a program could set the host's own, and set it back.
    let script = "hostname inside && hostname && exec sleep 1000";
    let mut running = program.run_shell(script).start()?;
    running.wait_for("inside")?;
    program.host.expect_unchanged(&before)?;
    end_command(program, running)?;
    program.host.expect_unchanged(&before)
}

fn sets_the_hostname_before_the_command_starts(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    program
        .run(&["hostname"])
        .end()?
        .exits(0)?
        .prints("container")?;
    program.host.expect_unchanged(&before)
}

pub(crate) fn numbers_its_processes_from_1(program: &Program) -> Result<()> {
    numbers_from_1(&program.run_shell(NUMBERS).end()?)
}

/// What a shell in the container says of itself.
pub(crate) const NUMBERS: &str = "echo \"shell $$, started by $PPID\"";

/// Fails unless PID 1 is the shell that has said [`NUMBERS`], or the process that has started
/// it. The shell's own number may be 2 then, or more: threads are numbered, too.
pub(crate) fn numbers_from_1(ended: &Ended) -> Result<()> {
    let line = ended.line_with("shell ");
    let holds = line.starts_with("shell 1,") || line.ends_with(" by 1");
    ended.exits(0)?.expected(
        "PID 1 for the shell, or for the process that started it",
        holds,
    )?;
    Ok(())
}

fn leaves_no_process_behind_after_sigkill(program: &Program) -> Result<()> {
    // Deaf to SIGTERM: nothing less than SIGKILL ends them.
    let script = "trap '' TERM; sleep 1000 & sleep 1000 & echo started; wait";
    let running = program.run_shell(script).started()?;
    running.end_with(Signal::SIGKILL)?.exits(137)?;
    let host = &program.host;
    host.expect_no_process_left("an end of all processes, as `run` got SIGKILL")
}

pub(crate) fn shows_the_root_filesystem_as_root(program: &Program) -> Result<()> {
    shows_the_root_filesystem(program, "ls -A /")
}

/// Fails unless `list` lists what is at the top of the root filesystem, and no more.
fn shows_the_root_filesystem(program: &Program, list: &str) -> Result<()> {
    let names = fs::read_dir(&program.rootfs).context("list the root filesystem")?;
    let names = names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    let script = format!("echo begin; {list}; echo end");
    let call = program.run_shell(&script).with_env("LC_ALL", "C");
    let names = ["begin", &names.join("\n"), "end"].join("\n");
    call.end()?.exits(0)?.prints(&names)?;
    Ok(())
}

pub(crate) fn starts_in_the_new_root(program: &Program) -> Result<()> {
    program.run_shell("pwd -P").end()?.exits(0)?.prints("/")?;
    Ok(())
}

fn has_the_root_filesystem_as_root_on_the_host(program: &Program) -> Result<()> {
    let _running = program.run(&["sleep", "1000"]).start()?;
    let pid = program.host.find_process(&["sleep", "1000"])?;
    let link = format!("/proc/{pid}/root");
    let seen = fs::read_link(&link).with_context(|| format!("read {link}"))?;
    let expected = program
        .rootfs
        .canonicalize()
        .context("find the root filesystem")?;
    // After pivot_root(2) the link reads `/`: then the folder behind it decides.
    let is_same = seen == expected || is_same_folder(Path::new(&link), &expected)?;
    let what = format!("{link} points at {}", expected.display());
    expect(is_same, what, seen.display())
}

pub(crate) fn is_same_folder(one: &Path, other: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let one = fs::metadata(one).context("look at the command's root")?;
    let other = fs::metadata(other).context("look at the root filesystem")?;
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn cannot_see_above_its_root(program: &Program) -> Result<()> {
    // From where the command starts, and not from `/`, whose `..` is `/`: after chroot(2)
    // without chdir(2) that is outside, and leads up to the host's root.
    shows_the_root_filesystem(program, "cd ../../../../../../../../../.. && ls -A .")
}

pub(crate) fn sees_only_its_own_processes(program: &Program) -> Result<()> {
    // The shell, and one that started it if there is one.
    let script = "cd /proc && echo processes [0-9]*";
    let ended = program.run_shell(script).end()?;
    let mut pids = ended.line_with("processes ").split(' ').skip(1);
    let holds = pids.next() == Some("1") && pids.count() <= 1;
    let what = "1, and no more than one other PID, as all that is in /proc";
    ended.exits(0)?.expected(what, holds)?;
    Ok(())
}

pub(crate) fn keeps_its_mounts_inside(program: &Program) -> Result<()> {
    // On a mount of its own, as /home often is: there it is not enough if / is private.
    let rootfs = program.host.expose(&program.rootfs)?;
    let before = program.host.snapshot()?;
    let call = program.run_shell(STARTED).with_env("ROOTFS", rootfs.path());
    let running = call.started()?;
    program.host.expect_unchanged(&before)?;
    end_command(program, running)?;
    program.host.expect_unchanged(&before)
}

pub(crate) fn keeps_a_mount_of_the_command_inside(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let script = "mount -t tmpfs none /tmp && touch /tmp/here && echo mounted; exec sleep 1000";
    let mut running = program.run_shell(script).start()?;
    running.wait_for("mounted")?;
    program.host.expect_unchanged(&before)?;
    end_command(program, running)?;
    program.host.expect_unchanged(&before)
}

/// Ends the command `sleep 1000` of a container, and waits for the container to end. SIGTERM
/// for the program itself would ask what is a matter of [`crate::dependable`].
fn end_command(program: &Program, running: Running) -> Result<()> {
    let pid = program.host.find_process(&["sleep", "1000"])?;
    kill(Pid::from_raw(pid), Signal::SIGKILL).context("kill the command")?;
    running.end()?;
    Ok(())
}

pub(crate) fn is_in_a_cgroup_with_a_cap_of_20(program: &Program) -> Result<()> {
    let _running = program.run(&["sleep", "1000"]).start()?;
    let cgroup = counting_cgroup(program, "1000")?;
    let max = read(&cgroup, "pids.max")?;
    expect(max == "20", "20 in pids.max", max)
}

pub(crate) fn stops_a_fork_bomb(program: &Program) -> Result<()> {
    // The sleep shows where the cgroup is. A shell cannot: it waits long for a fork.
    let script = "( :() { : | : & }; : ) & exec sleep 1000";
    let mut running = program.run(&["bash", "-c", script]).start()?;
    let cgroup = counting_cgroup(program, "1000")?;
    running.wait_until("a refused fork in pids.events", |_| {
        let mut events = words(&cgroup, "pids.events").into_iter();
        let refused = events.find(|word| word == "max").and(events.next());
        Ok(refused.is_some_and(|count| count != "0").then_some(()))
    })?;
    let start = Instant::now();
    running.wait_until("a container that outlives its fork bomb", |_| {
        let Ok(current) = read(&cgroup, "pids.current") else {
            return Ok(None); // its cgroup is gone
        };
        let current: u32 = current.parse().context("read a number")?;
        let seen = format!("{current} in pids.current");
        expect(current <= 20, "at most 20 processes", seen)?;
        Ok((start.elapsed() > Duration::from_millis(300)).then_some(()))
    })?;
    end_command(program, running)?;
    program.host.expect_nothing_left()
}

pub(crate) fn has_a_cgroup_for_each_container(program: &Program) -> Result<()> {
    // Seven times three processes do not fit into one cap of 20. In a cgroup of its own, each
    // container leaves 17 places for the program's own processes, and their threads.
    let (mut running, mut cgroups) = (Vec::new(), Vec::new());
    for seconds in ["1001", "1002", "1003", "1004", "1005", "1006", "1007"] {
        let script = format!("sleep {seconds} & sleep {seconds} & echo started; wait");
        running.push(program.run_shell(&script).started()?);
        let cgroup = counting_cgroup(program, seconds)?;
        let one = cgroup.display();
        let seen = format!("two containers in {one}");
        let what = "a cgroup for each container";
        expect(!cgroups.contains(&cgroup), what, seen)?;
        let count = read(&cgroup, "cgroup.procs")?.lines().count();
        let what = format!("two sleeping processes and their shell in {one}");
        let seen = format!("{count} processes");
        expect((3..=20).contains(&count), what, seen)?;
        cgroups.push(cgroup);
    }
    Ok(())
}

/// The cgroup of the container in which `sleep SECONDS` runs, where processes are counted.
fn counting_cgroup(program: &Program, seconds: &str) -> Result<PathBuf> {
    let pid = program.host.find_process(&["sleep", seconds])?;
    let cgroup = program.host.cgroup_of(pid)?;
    expect(
        cgroup.join("pids.max").exists(),
        "a cgroup that counts processes, and so has a file pids.max",
        format_args!(
            "{}, which has none: it is of another hierarchy, or its parent's \
             cgroup.subtree_control lacks pids",
            cgroup.display()
        ),
    )?;
    Ok(cgroup)
}

/// What one of a cgroup's files says.
fn read(cgroup: &Path, name: &str) -> Result<String> {
    let text = fs::read_to_string(cgroup.join(name)).with_context(|| format!("read {name}"))?;
    Ok(text.trim_end().to_owned())
}
