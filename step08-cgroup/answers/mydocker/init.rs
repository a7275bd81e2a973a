//! Starts the command, reaps all that ends in the container, and passes all signals on: for
//! `run`, which waits for `child`, and for `child`, which is PID 1.
//!
//! Read: pid_namespaces(7), wait(2), signalfd(2), SI_KERNEL in sigaction(2).

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::{signals, supervisor};

/// Executes `command`, waits until it has ended, and returns its exit status.
///
/// As in a shell, the status is 127 if there is no such command, and 126 if there
/// is one that cannot be executed.
///
/// With `verbose`, what else becomes of the command is told too; with a log, that it is there.
pub fn execute(command: &mut Command, verbose: bool, log: Option<&File>) -> Result<u8> {
    let signals = signals::passed_on();
    #[expect(unsafe_code, reason = "nothing else runs between fork and exec")]
    // SAFETY: after fork(2) only async-signal-safe functions may be called
    // (signal-safety(7)). The closure makes one system call and allocates nothing.
    unsafe {
        // A signal that is blocked stays blocked across exec, and a command that
        // inherits that is deaf to Ctrl-C.
        command.pre_exec(move || signals.thread_unblock().map_err(io::Error::from));
    }
    match command.spawn() {
        Ok(child) => {
            log.map_or(Ok(()), supervisor::tell_started)?;
            wait(Pid::from_raw(i32::try_from(child.id())?), verbose)
        }
        Err(error) => not_executed(command, error),
    }
}

/// Says why the command was not executed, in words and by the exit status.
fn not_executed(command: &Command, error: io::Error) -> Result<u8> {
    use Errno::{EAGAIN, EMFILE, ENFILE, ENOENT, ENOMEM};
    let what = format!("execute {}", command.get_program().to_string_lossy());
    let code = match error.raw_os_error().map(Errno::from_raw) {
        Some(ENOENT) => 127,
        // These come from pipe(2) and fork(2): the command is not to blame.
        Some(EAGAIN | EMFILE | ENFILE | ENOMEM) => return Err(error).context(what),
        _ => 126,
    };
    // If standard error is closed, the exit status alone has to tell.
    writeln!(io::stderr(), "error: {what}: {error}").ok();
    Ok(code)
}

/// Reaps every child until process `pid` has ended, and returns the exit status of that:
/// its own, or 128 + n if signal n ended it.
///
/// Signals are passed on to it. When its parent ends before it, a process is an orphan, and
/// the kernel makes it a child of PID 1.
pub fn wait(pid: Pid, verbose: bool) -> Result<u8> {
    let signals = SignalFd::with_flags(&signals::passed_on(), SfdFlags::SFD_CLOEXEC);
    let signals = signals.context("make a signalfd")?;
    loop {
        // One SIGCHLD may stand for many ends: a signal that is pending is not counted.
        while let Some((child, status)) = next_news()? {
            let signal = status.signal().map(|number| 128 + number);
            match status.code().or(signal) {
                Some(code) if child == pid => return Ok(u8::try_from(code)?),
                None if child == pid && verbose => tell(pid, status),
                _ => {}
            }
        }
        if let Some(signal) = signals.read_signal().context("wait for a signal")? {
            signals::pass_on(&signal, pid)?;
        }
    }
}

/// What has become of a child, whichever: it was stopped, goes on, or has ended, and then
/// asking takes away the zombie too.
fn next_news() -> Result<Option<(Pid, ExitStatus)>> {
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    let mut status = 0;
    #[expect(unsafe_code, reason = "nix's waitpid fails after a real-time signal")]
    // SAFETY: waitpid(2) writes one int, to where there is one.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, options) };
    match Errno::result(pid).context("wait for the child processes")? {
        0 => Ok(None),
        pid => Ok(Some((Pid::from_raw(pid), ExitStatus::from_raw(status)))),
    }
}

/// Says that the command was stopped, or goes on.
fn tell(pid: Pid, status: ExitStatus) {
    let what = match status.stopped_signal() {
        Some(signal) => format!("stopped by signal {signal}"),
        None => "continued".to_owned(),
    };
    writeln!(io::stderr(), "process {pid} is {what}").ok();
}
