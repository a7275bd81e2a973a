//! After step 4: the child waits on a pipe until the parent has done its part.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::check::{Check, checks};
use crate::host::{eventually, is_zombie, scaled};
use crate::program::{Program, Running};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    starts_the_command_once_the_pid_is_read,
    never_starts_the_command_if_run_ends_first,
    never_starts_the_command_if_run_ends_before_child_goes_on,
    writes_the_pid_of_the_container_on_the_host,
    leaves_no_pipe_to_the_command,
    does_nothing_if_the_file_cannot_be_written,
    gives_the_rest_to_the_command,
    refuses_what_is_no_option,
];

fn starts_the_command_once_the_pid_is_read(program: &Program) -> Result<()> {
    let fifo = make_fifo(program)?;
    let script = "test -e asked || exit 99; echo started; exec sleep 1000";
    let call = program.run_with(&["--pid-file", "fifo"], &["sh", "-c", script]);
    let mut running = call.start()?;
    // Time enough for a command that does not wait.
    thread::sleep(scaled(200));
    File::create(program.host.folder.path().join("asked")).context("make a file")?;
    read_pid(&mut running, &fifo)?;
    running.wait_for("started")
}

fn never_starts_the_command_if_run_ends_first(program: &Program) -> Result<()> {
    make_fifo(program)?;
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let command = ["sh", "-c", "touch started; sleep 1000"];
        let mut running = program
            .run_with(&["--pid-file", "fifo"], &command)
            .start()?;
        running.wait_until("`run` and a child that waits", |_| {
            Ok((program.host.processes().len() >= 2).then_some(()))
        })?;
        running.signal(signal)?;
        let ended = running.end()?;
        ended.exits(128 + signal as i32)?;
        let left = program.host.expect_nothing_left();
        let has_started = program.host.folder.path().join("started").exists();
        ended.expected("a command that is never executed", !has_started)?;
        left.with_context(|| format!("after {signal} for `run`, with the PID not read yet"))?;
    }
    Ok(())
}

/// What has been written to a pipe stays there when the writer has ended.
fn never_starts_the_command_if_run_ends_before_child_goes_on(program: &Program) -> Result<()> {
    let fifo = make_fifo(program)?;
    let command = ["sh", "-c", "touch started; sleep 1000"];
    let call = program.run_with(&["--pid-file", "fifo"], &command);
    let mut running = call.start()?;
    running.wait_until("`run` and a child that waits", |_| {
        Ok((program.host.processes().len() >= 2).then_some(()))
    })?;
    // Time enough to begin to wait. Then `run` goes on, and the others cannot.
    thread::sleep(scaled(100));
    let run = running.pid();
    let send = |signal| {
        let others = program.host.processes().into_iter();
        for pid in others.filter(|pid| *pid != run) {
            // If it has ended, it needs no signal.
            kill(Pid::from_raw(pid), signal).ok();
        }
    };
    send(Signal::SIGSTOP);
    read_pid(&mut running, &fifo)?;
    thread::sleep(scaled(100));
    running.signal(Signal::SIGKILL)?;
    // The signal is sent, and `run` has its end of the pipe until it has ended.
    eventually("an end of `run`", || is_zombie(run).then_some(()))?;
    send(Signal::SIGCONT);
    let ended = running.end()?;
    // Of SIGKILL a cgroup may be left.
    let all = || program.host.processes();
    let gone = eventually("all to end", || all().is_empty().then_some(()));
    let has_started = program.host.folder.path().join("started").exists();
    ended.expected("a command that is never executed", !has_started)?;
    ended.expected("no process that is left", gone.is_ok())?;
    Ok(())
}

fn writes_the_pid_of_the_container_on_the_host(program: &Program) -> Result<()> {
    let file = program.host.folder.path().join("file");
    // What was there before must not stay there.
    fs::write(&file, "1234567890\nold\n").context("write a file")?;
    let call = program.run_with(&["--pid-file", "file"], &["sleep", "1030"]);
    let running = call.start()?;
    let command = program.host.find_process(&["sleep", "1030"])?;
    let pid = fs::read_to_string(&file).context("read the file")?;
    // The container is the command, or the process that has started it inside.
    let mut expected = vec![format!("{command}\n")];
    let parent = program.host.parent_of(command)?;
    if parent != running.pid() {
        expected.push(format!("{parent}\n"));
    }
    ensure!(
        expected.contains(&pid),
        "expected: the PID of the container in the file, one of {expected:?}\nseen:     {pid:?}"
    );
    Ok(())
}

fn leaves_no_pipe_to_the_command(program: &Program) -> Result<()> {
    let _running = program.run(&["sleep", "1031"]).start()?;
    let command = program.host.find_process(&["sleep", "1031"])?;
    // What this test itself has open may come from whoever started it.
    let own = pipes(Path::new("/proc/self/fd"))?;
    let pipes = pipes(Path::new(&format!("/proc/{command}/fd")))?;
    let left: Vec<_> = pipes.difference(&own).collect();
    ensure!(
        left.is_empty(),
        "expected: a command that has none of the pipes open\nseen:     {left:?}"
    );
    Ok(())
}

fn does_nothing_if_the_file_cannot_be_written(program: &Program) -> Result<()> {
    let options = ["--pid-file", "no/such/folder/pid"];
    let call = program.run_with(&options, &["sh", "-c", "touch started"]);
    let ended = call.end()?;
    ended
        .exits(125)?
        .complains(&["no/such/folder/pid"])?
        .does_not_panic()?;
    program.host.expect_nothing_left()?;
    let has_started = program.host.folder.path().join("started").exists();
    ended.expected("a command that is not executed", !has_started)?;
    Ok(())
}

fn gives_the_rest_to_the_command(program: &Program) -> Result<()> {
    let command = ["echo", "--pid-file", "other"];
    let call = program.run_with(&["--pid-file", "file", "--"], &command);
    // This fails sooner than a wait for the end, if the command never starts.
    let mut running = call.start()?;
    running.wait_for("--pid-file other")?;
    running.end()?.exits(0)?;
    Ok(())
}

fn refuses_what_is_no_option(program: &Program) -> Result<()> {
    for options in [
        &["--pid-file"][..],
        &["--pid-file", "file"],
        &["--pid", "file"],
    ] {
        let ended = program.run_with(options, &[]).end()?;
        ended.exits(125)?.complains(&["usage"])?.does_not_panic()?;
    }
    Ok(())
}

/// A FIFO with the name `fifo`, in the working directory of the program.
fn make_fifo(program: &Program) -> Result<PathBuf> {
    let path = program.host.folder.path().join("fifo");
    mkfifo(&path, Mode::S_IRWXU).context("make a FIFO")?;
    Ok(path)
}

/// Reads a line from the FIFO, while the program runs: it need not ever write one.
fn read_pid(running: &mut Running, fifo: &Path) -> Result<i32> {
    let mut options = File::options();
    let options = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let mut file = options.open(fifo).context("open the FIFO")?;
    let mut text = String::new();
    running.wait_until(
        "a line with a PID, in the FIFO that --pid-file names",
        |_| {
            // This fails as long as somebody has the FIFO open, and gets what is there.
            file.read_to_string(&mut text).ok();
            Ok(text.strip_suffix('\n').and_then(|pid| pid.parse().ok()))
        },
    )
}

/// The pipes among the descriptors that are open.
fn pipes(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let descriptors = fs::read_dir(folder).context("list descriptors")?;
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let is_pipe = |link: &PathBuf| link.to_string_lossy().starts_with("pipe:");
    Ok(links.filter(is_pipe).collect())
}
