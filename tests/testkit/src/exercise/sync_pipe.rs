//! After step 4: the child waits on a pipe until the parent has done its part.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};
use contract::failure::expect;
use kernelfiles::process;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::check::{Check, checks};
use crate::patience::{scaled, until};
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
        until_child_waits(program, &mut running)?;
        let ended = running.end_with(signal)?;
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
    until_child_waits(program, &mut running)?;
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
    until("an end of `run`", || process::is_zombie(run))?;
    send(Signal::SIGCONT);
    let ended = running.end()?;
    // Of SIGKILL a cgroup may be left.
    let gone = program.host.expect_no_process_left("all to end");
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
    let parent = process::parent(command)?;
    if parent != running.pid() {
        expected.push(format!("{parent}\n"));
    }
    let what = format!("the PID of the container in the file, one of {expected:?}");
    expect(expected.contains(&pid), what, format_args!("{pid:?}"))
}

fn leaves_no_pipe_to_the_command(program: &Program) -> Result<()> {
    let _running = program.run(&["sleep", "1031"]).start()?;
    let command = program.host.find_process(&["sleep", "1031"])?;
    // What this test itself has open may come from whoever started it.
    let own = pipes(&process::path("self", "fd"))?;
    let pipes = pipes(&process::path(command, "fd"))?;
    let left: Vec<_> = pipes.difference(&own).collect();
    let what = "a command that has none of the pipes open";
    expect(left.is_empty(), what, format_args!("{left:?}"))
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
        program.run_with(options, &[]).end()?.is_wrong_usage()?;
    }
    Ok(())
}

/// Waits until there are `run` and `child`, which does not go on.
fn until_child_waits(program: &Program, running: &mut Running) -> Result<()> {
    running.wait_until("`run` and a child that waits", |_| {
        Ok((program.host.processes().len() >= 2).then_some(()))
    })
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
