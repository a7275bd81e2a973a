//! Starts the command, passes signals on to it, and ends as it ended.
//!
//! This file is the same, to the byte, in every step from the second on.
//!
//! Read: signal(7), sigprocmask(2), execve(2), wait(2).

use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::unistd::Pid;

/// The signals that must not end this program before the command has ended.
fn signals() -> SigSet {
    use Signal::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    SigSet::from_iter([SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD])
}

/// Keeps these signals pending until [`wait`] takes them. This comes before all else.
///
/// A program that we start inherits the blocked signals, so that between two
/// programs there is no moment in which one is lost.
pub fn block_signals() -> Result<()> {
    signals().thread_block().context("block signals")?;
    prepare(None).context("reset SIGCHLD")
}

/// Lets `command` begin with signals that are not blocked. Without a command, lets us wait
/// for what we start. What Rust cannot check is in this one place.
fn prepare(command: Option<&mut Command>) -> io::Result<()> {
    let blocked = signals();
    #[expect(unsafe_code, reason = "nix and std have no safe functions for these")]
    // SAFETY: the default action is no handler: no code of ours will run at a signal. And
    // after fork(2) only async-signal-safe functions may be called (signal-safety(7)): the
    // closure makes one system call and allocates nothing.
    unsafe {
        match command {
            // A caller may ignore SIGCHLD, and we inherit that. The kernel then keeps no
            // exit status of a child, and tells nobody of its end (wait(2)).
            None => signal(Signal::SIGCHLD, SigHandler::SigDfl).map(drop)?,
            // A signal that is blocked stays blocked across exec, and a command that
            // inherits that is deaf to Ctrl-C.
            Some(command) => {
                command.pre_exec(move || blocked.thread_unblock().map_err(io::Error::from));
            }
        }
    }
    Ok(())
}

/// Executes `command`, waits until it has ended, and returns its exit status.
///
/// As in a shell, the status is 127 if there is no such command, and 126 if there
/// is one that cannot be executed.
pub fn execute(command: &mut Command) -> Result<ExitCode> {
    prepare(Some(command))?;
    match command.spawn() {
        Ok(child) => wait(child),
        Err(error) => not_executed(command, error),
    }
}

/// Says why the command was not executed, in words and by the exit status.
fn not_executed(command: &Command, error: io::Error) -> Result<ExitCode> {
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
    Ok(ExitCode::from(code))
}

/// Waits until `child` has ended, and returns its exit status: its own, or 128 + n
/// if signal n ended it.
///
/// SIGTERM and SIGHUP are passed on. SIGINT and SIGQUIT are not: the terminal sends
/// them to every process in the foreground, so `child` has had its own.
///
/// From step 5 on, `child` is PID 1 and inherits the orphans, but it waits for none of them:
/// each that ends stays a zombie until the container ends. A real init, such as tini, reaps it.
pub fn wait(mut child: Child) -> Result<ExitCode> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        if let Some(status) = child.try_wait().context("wait for the child process")? {
            let signal = status.signal().map(|number| 128 + number);
            let code = status.code().or(signal).unwrap_or(125);
            return Ok(ExitCode::from(u8::try_from(code)?));
        }
        // The child still ran. If it has ended since, its SIGCHLD is pending here.
        let signal = signals().wait().context("wait for a signal")?;
        if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
            kill(pid, signal).with_context(|| format!("pass {signal} on to process {pid}"))?;
        }
    }
}
