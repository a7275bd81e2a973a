//! What several of our own steps show and another's program need not: how they announce
//! themselves, the word `child`, and what becomes of them if a system call fails.

use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process;

use anyhow::{Context, Result};
use kernelfiles::process::{argv, state};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::pipe2;

use crate::check::{Promises, checks};
use crate::dependable::{WITHOUT_ROOT, has_done_nothing};
use crate::patience::until;
use crate::program::{EXECUTED, Program, Running, STARTED};
use crate::refuse::{self, Refused};

/// All that several of our steps show.
pub const ALL: &[Promises] = &[
    (
        1..=8,
        checks![
            helps_by_a_short_word,
            announces_nothing_without_a_command,
            fails_if_it_cannot_print,
        ],
    ),
    (
        2..=8,
        checks![
            keeps_sigint_and_sigquit_to_itself,
            fails_if_a_signal_cannot_be_passed_on,
            fails_if_it_cannot_hear_of_the_end,
            fails_if_it_cannot_wait,
            fails_if_the_command_cannot_be_forked,
            fails_if_there_is_no_descriptor_to_start_with,
            hears_of_the_end_if_the_caller_ignores_it,
        ],
    ),
    (2..=3, checks![announces_the_command]),
    (
        3..=8,
        checks![
            says_what_to_do_without_root,
            says_what_a_namespace_takes,
            fails_if_it_cannot_unshare,
        ],
    ),
    (
        4..=8,
        checks![
            says_what_to_do_without_a_proc,
            refuses_child_by_hand,
            hides_its_marks_from_the_command,
            fails_if_there_is_no_room_for_child,
            fails_if_run_cannot_print,
            fails_if_child_cannot_print,
            fails_if_the_hostname_cannot_be_set,
        ],
    ),
    (4..=5, checks![sees_the_processes_of_the_host]),
    (
        5..=8,
        checks![
            announces_pids,
            starts_the_command_as_pid_2,
            fails_if_child_cannot_ask_for_its_end,
            ends_child_at_its_first_word,
        ],
    ),
    (6..=8, checks![fails_if_it_cannot_chroot]),
    (7..=8, checks![fails_if_mounts_cannot_be_private]),
];

/// `child` is for `run` to start.
fn refuses_child_by_hand(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = program.call(&["child", "echo", "executed"]).end()?;
    ended.exits(125)?.complains(&["child", "run"])?;
    ended.expected("nothing on standard output", ended.stdout.is_empty())?;
    let call = program.call(&["child"]).with_env("STARTED_BY_RUN", "yes");
    call.end()?.exits(125)?.complains(&["usage"])?;
    program.host.expect_nothing_left()?;
    program.host.expect_unchanged(&before)
}

/// What `run` tells `child` in the environment does not reach the command.
fn hides_its_marks_from_the_command(program: &Program) -> Result<()> {
    let ended = program.run(&["env"]).end()?;
    let is_ours = |line: &&str| line.starts_with("STARTED_BY_RUN=") || line.starts_with("CGROUP_");
    let holds = ended.stdout.lines().find(is_ours).is_none();
    ended.exits(0)?.expected("none of our variables", holds)?;
    Ok(())
}

/// `ps` reads the host's /proc, where this very test is a process.
fn sees_the_processes_of_the_host(program: &Program) -> Result<()> {
    let pid = process::id().to_string();
    let ended = program.run(&["ps", "-p", &pid, "-o", "pid="]).end()?;
    let holds = ended.stdout.lines().any(|line| line.trim() == pid);
    ended
        .exits(0)?
        .expected(&format!("process {pid} in the output of ps"), holds)?;
    Ok(())
}

/// One line before the command's own.
fn announces_the_command(program: &Program) -> Result<()> {
    let ended = program.run(&["echo", "Hello,", "world"]).end()?;
    ended
        .exits(0)?
        .prints_only("Running [echo Hello, world]\nHello, world")?;
    Ok(())
}

/// A new namespace takes root.
fn says_what_to_do_without_root(program: &Program) -> Result<()> {
    let call = program.run(EXECUTED).with_prefix(&WITHOUT_ROOT);
    let ended = call.end()?;
    ended
        .exits(125)?
        .complains(&["Operation not permitted", "root"])?;
    Ok(())
}

/// Two lines, with the PID of `run` and that of `child`.
fn announces_pids(program: &Program) -> Result<()> {
    let running = program.run(&["echo", "hello"]).start()?;
    let pid = running.pid();
    let lines = format!("Running [echo hello] as {pid}\nRunning in child [echo hello] as 1\nhello");
    running.end()?.exits(0)?.prints_only(&lines)?;
    Ok(())
}

/// `child` is PID 1, and what it starts is the next.
fn starts_the_command_as_pid_2(program: &Program) -> Result<()> {
    program.run_shell("echo $$").end()?.exits(0)?.prints("2")?;
    Ok(())
}

fn helps_by_a_short_word(program: &Program) -> Result<()> {
    let ended = program.call(&["-h"]).end()?;
    let holds = ended.stdout.starts_with("usage: ");
    ended
        .exits(0)?
        .expected("a usage on standard output", holds)?;
    Ok(())
}

fn announces_nothing_without_a_command(program: &Program) -> Result<()> {
    let ended = program.call(&["run"]).end()?;
    let holds = ended.stdout.is_empty();
    ended
        .exits(125)?
        .expected("nothing on standard output", holds)?;
    Ok(())
}

/// `echo` would fail by itself, `true` prints nothing.
fn fails_if_it_cannot_print(program: &Program) -> Result<()> {
    for args in [&["run", "true"][..], &["--help"]] {
        let full = File::create("/dev/full").context("open /dev/full")?;
        let ended = program.call(args).with_output(full).end()?;
        let words = ["write to standard output", "No space left on device"];
        ended.exits(125)?.complains(&words)?;
    }
    Ok(())
}

/// The terminal has sent them to the command, too, which would have them twice.
fn keeps_sigint_and_sigquit_to_itself(program: &Program) -> Result<()> {
    let script = "trap 'exit 3' INT QUIT; trap 'exit 5' TERM; echo started; \
                  while :; do sleep 0.01; done";
    let mut running = program.run(&["bash", "-c", script]).started()?;
    // If several are pending, the one with the lowest number comes first: SIGTERM is last.
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        running.signal(signal)?;
    }
    running.end()?.exits(5)?;
    Ok(())
}

fn fails_if_a_signal_cannot_be_passed_on(program: &Program) -> Result<()> {
    let call = program.run_shell(STARTED);
    let mut running = refuse::start(call, &refused(libc::SYS_kill))?;
    running.wait_for("started")?;
    running.signal(Signal::SIGTERM)?;
    running
        .end()?
        .exits(125)?
        .complains(&["pass SIGTERM on to process"])?;
    Ok(())
}

fn fails_if_it_cannot_hear_of_the_end(program: &Program) -> Result<()> {
    let signal = (0, u64::MAX, libc::SIGCHLD as u64);
    let refused = refused(libc::SYS_rt_sigaction).with(signal);
    fails(program, &refused, "reset SIGCHLD")
}

fn fails_if_it_cannot_wait(program: &Program) -> Result<()> {
    let running = refuse::start(program.run(&["true"]), &refused(libc::SYS_wait4))?;
    let ended = running.end()?;
    ended
        .exits(125)?
        .complains(&["wait for the child process"])?;
    Ok(())
}

/// The command is not to blame, as it would be with 126.
fn fails_if_the_command_cannot_be_forked(program: &Program) -> Result<()> {
    for errno in [Errno::EAGAIN, Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM] {
        // Only fork(2), not what shares its memory: a thread, or a child until its exec.
        let mut refused = refused(libc::SYS_clone).with((0, libc::CLONE_VM as u64, 0));
        refused.errno = errno;
        fails(program, &refused, "execute echo")?;
    }
    Ok(())
}

/// What is missing is root, or room below a limit that counts for root too.
fn says_what_a_namespace_takes(program: &Program) -> Result<()> {
    let (_exposed, path) = program.expose()?;
    // The host's own /proc/sys is read-only.
    let proc = program.host.proc();
    let file = proc.join("sys/user/max_uts_namespaces");
    let at_limit = format!("echo 0 >'{}' && exec \"$0\" \"$@\"", file.display());
    let cases: [(&[&str], &str); 2] = [
        (
            &["setpriv", "--bounding-set=-all"],
            "Operation not permitted",
        ),
        (
            &["unshare", "-r", "sh", "-c", &at_limit],
            "No space left on device",
        ),
    ];
    for (prefix, errno) in cases {
        let call = program.run(&["true"]).with_prefix(prefix).at(path.clone());
        let needed = "takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`";
        call.end()?.exits(125)?.complains(&[needed, errno])?;
    }
    Ok(())
}

/// `run`'s own pipe does not fit, and the command is not to blame.
fn fails_if_there_is_no_descriptor_to_start_with(program: &Program) -> Result<()> {
    for path in with_answers(program, &["fork-exec"]) {
        let few = ["sh", "-c", "ulimit -n 4 && exec \"$0\" \"$@\""];
        let call = program.run(EXECUTED).with_prefix(&few).at(path);
        call.end()?
            .exits(125)?
            .complains(&["Too many open files"])?;
    }
    Ok(())
}

/// `run` starts itself again by way of /proc.
fn says_what_to_do_without_a_proc(program: &Program) -> Result<()> {
    // Beneath a /proc there may be another, where a machine has its files from its host.
    let script = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
    for path in with_answers(program, &["mydocker", "rootless"]) {
        let call = program.run(EXECUTED).at(path);
        let call = call.with_prefix(&["unshare", "--mount", "sh", "-c", script]);
        let ended = call.end()?;
        ended
            .exits(125)?
            .complains(&["mount -t proc proc /proc", "No such file or directory"])?;
    }
    program.host.expect_nothing_left()
}

/// The kernel would keep no exit status, and not tell of the end either.
fn hears_of_the_end_if_the_caller_ignores_it(program: &Program) -> Result<()> {
    for path in with_answers(program, &[]) {
        for options in [
            &["--ignore-signal=CHLD"][..],
            &["--ignore-signal=CHLD", "--block-signal=CHLD"],
        ] {
            let prefix = [&["env"], options].concat();
            let script = "sleep 0.05 & wait; exit 3";
            let call = program
                .run_shell(script)
                .with_prefix(&prefix)
                .at(path.clone());
            call.end()?.exits(3)?;
        }
    }
    Ok(())
}

/// The program, and with a step those of its answers that start a command, but for some.
fn with_answers(program: &Program, but: &[&str]) -> Vec<PathBuf> {
    let step = program.step.file_name().and_then(OsStr::to_str);
    let number = (1..)
        .zip(course::STEPS)
        .find(|(_, name)| step == Some(*name));
    let exercises = course::exercises(number.map_or(0, |(number, _)| number));
    let answers = exercises.filter(|answer| answer.is_container && !but.contains(&answer.name));
    let answers = answers.map(|answer| answer.answer(&program.step));
    [program.path.clone()].into_iter().chain(answers).collect()
}

/// EPERM is what one without root gets. Whatever it is, nothing may run without a namespace.
fn fails_if_it_cannot_unshare(program: &Program) -> Result<()> {
    fails(program, &refused(libc::SYS_unshare), "make namespaces")
}

fn fails_if_child_cannot_ask_for_its_end(program: &Program) -> Result<()> {
    let option = (0, u64::MAX, libc::PR_SET_PDEATHSIG as u64);
    let refused = refused(libc::SYS_prctl).with(option);
    fails(program, &refused, "ask to be killed when run ends")
}

fn fails_if_the_hostname_cannot_be_set(program: &Program) -> Result<()> {
    fails(program, &refused(libc::SYS_sethostname), "set the hostname")
}

fn fails_if_it_cannot_chroot(program: &Program) -> Result<()> {
    fails(program, &refused(libc::SYS_chroot), "chroot to")
}

fn fails_if_mounts_cannot_be_private(program: &Program) -> Result<()> {
    let flags = (3, libc::MS_PRIVATE, libc::MS_PRIVATE);
    fails(
        program,
        &refused(libc::SYS_mount).with(flags),
        "make / private",
    )
}

/// With an error that no program foresees.
fn refused(call: i64) -> Refused {
    Refused {
        call,
        argument: None,
        errno: Errno::EIO,
    }
}

impl Refused {
    fn with(mut self, argument: (u8, u64, u64)) -> Self {
        self.argument = Some(argument);
        self
    }
}

/// Fails unless a refused system call ends the program, which says so and has done nothing.
fn fails(program: &Program, refused: &Refused, operation: &str) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = refuse::start(program.run(EXECUTED), refused)?.end()?;
    has_done_nothing(program, &before, &ended, &[operation])
}

/// The host's own cap lets `run` start nothing.
fn fails_if_there_is_no_room_for_child(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    program.host.allow_processes(1)?;
    let ended = program.run(EXECUTED).end()?;
    let words = [
        "execute /proc/self/exe child",
        "Resource temporarily unavailable",
    ];
    has_done_nothing(program, &before, &ended, &words)
}

/// Although `child` could print its line, which is longer than that of `run`.
fn fails_if_run_cannot_print(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    // With this command and a PID of one digit, the line of `run` has less than 4096 bytes,
    // but not by much, and that of `child` has no less: what is written is told apart so.
    let long = "x".repeat(4077 - "echo executed ".len());
    let call = program.run(EXECUTED).with_arg(long.as_ref());
    let call = call.with_prefix(&["unshare", "--pid", "--fork"]);
    let almost_4096_bytes = (2, 0x1ff0, 0x0ff0);
    let refused = refused(libc::SYS_write).with(almost_4096_bytes);
    let ended = refuse::start(call, &refused)?.end()?;
    let words = ["write to standard output", "Input/output error"];
    has_done_nothing(program, &before, &ended, &words)?;
    ended.expected("no word of `child`", ended.stdout.is_empty())?;
    Ok(())
}

fn fails_if_child_cannot_print(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let (running, reader) = start_with_a_silent_child(program)?;
    drop(reader);
    let ended = running.end()?;
    let words = ["write to standard output", "Broken pipe"];
    has_done_nothing(program, &before, &ended, &words)
}

/// It asks for its end before all else: here it could still come to a container's start.
fn ends_child_at_its_first_word(program: &Program) -> Result<()> {
    let (running, _reader) = start_with_a_silent_child(program)?;
    running.end_with(Signal::SIGKILL)?.exits(137)?;
    program.host.expect_no_process_left("the end of `child`")
}

/// Starts the program with a pipe for standard output, in which there is room for the line of
/// `run` but not for that of `child`: at its first word it waits for a reader.
pub fn start_with_a_silent_child(program: &Program) -> Result<(Running<'_>, File)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    // The kernel rounds it up to a page.
    let size = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(1)).context("make a pipe small")?;
    let long = "x".repeat(usize::try_from(size)? * 2 / 3);
    let call = program.run(EXECUTED).with_arg(long.as_ref());
    let running = call.with_output(writer).start()?;
    let waits = |pid: &i32| {
        let is_child = argv(pid).get(1).is_some_and(|word| word == "child");
        is_child && state(pid).is_ok_and(|state| state == 'S')
    };
    until("`child` to wait for a reader", || {
        program.host.processes().iter().any(waits)
    })?;
    Ok((running, reader.into()))
}
