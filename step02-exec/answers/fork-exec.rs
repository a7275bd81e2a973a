//! An answer to the exercise `fork-exec`: fork, execvp and waitpid by hand.
//!
//! Does without `std::process::Command`, and says when the command is stopped and when
//! it goes on.
//!
//! Read: fork(2), execve(2), wait(2), signal(7), signal-safety(7).

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::unistd::{ForkResult, Pid, execvp, fork};

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    block_signals()?;
    let args: Vec<OsString> = env::args_os().collect();
    match args.get(1).and_then(|word| word.to_str()) {
        Some("run") if args.len() > 2 => run(&args[2..]),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Executes the command: fork(2) makes a process that is a copy of this one, and in the
/// copy execve(2) replaces our program by the command.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    let argv: Vec<CString> = argv
        .iter()
        .map(|arg| CString::new(arg.as_bytes()))
        .collect::<Result<_, _>>()
        .context("end each argument with a zero byte")?;
    #[expect(unsafe_code, reason = "nix has no safe fork")]
    // SAFETY: fork(2) copies only the thread that calls it. Where there are others, one of
    // them may hold a lock, such as malloc's, which nobody opens in the copy. We have one.
    let fork = unsafe { fork() };
    // From here on there are two of us, and each goes its own way.
    match fork.context("fork")? {
        ForkResult::Child => become_command(&argv),
        ForkResult::Parent { child } => wait(child),
    }
}

/// Executes the command in place of this program. If that fails, what is returned goes up
/// to `main` and ends the child, and the exit status tells the parent.
fn become_command(argv: &[CString]) -> Result<ExitCode> {
    // Across exec a blocked signal stays blocked, and an ignored one ignored. Rust ignores
    // SIGPIPE; a command that does so too would not end with the reader of its output.
    signals().thread_unblock().context("unblock signals")?;
    #[expect(unsafe_code, reason = "nix cannot tell which handlers are safe")]
    // SAFETY: the default action is no handler: no code of ours will run at a signal.
    let pipe = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    pipe.context("reset SIGPIPE")?;
    let Err(errno) = execvp(&argv[0], argv);
    let command = argv[0].to_string_lossy();
    let code = match errno {
        Errno::ENOENT => 127,
        // Too many processes of this user, or files of this system, or too little memory: the
        // command is not to blame.
        Errno::EAGAIN | Errno::ENFILE | Errno::ENOMEM => 125,
        _ => 126,
    };
    say(&format!(
        "error: execute {command}: {}",
        io::Error::from(errno)
    ));
    Ok(ExitCode::from(code))
}

/// Waits until process `child` has ended, and returns its exit status: its own, or 128 + n
/// if signal n ended it. SIGTERM and SIGHUP are passed on.
fn wait(child: Pid) -> Result<ExitCode> {
    loop {
        let Some(status) = news_of(child)? else {
            // If there has been news since, its SIGCHLD is pending here.
            let signal = signals().wait().context("wait for a signal")?;
            if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                kill(child, signal).with_context(|| format!("pass {signal} on to {child}"))?;
            }
            continue;
        };
        if let Some(signal) = status.stopped_signal() {
            say(&format!("process {child} is stopped by signal {signal}"));
        } else if status.continued() {
            say(&format!("process {child} is continued"));
        } else {
            let signal = status.signal().map(|number| 128 + number);
            let code = status.code().or(signal).unwrap_or(125);
            return Ok(ExitCode::from(u8::try_from(code)?));
        }
    }
}

/// Asks what has become of `child`: it has ended, was stopped or continued, or, with
/// `None`, nothing new. Once it has ended, asking also removes the zombie.
fn news_of(child: Pid) -> Result<Option<ExitStatus>> {
    // WNOHANG: do not wait. Without the other two, only an end is news.
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    let mut status = 0;
    #[expect(unsafe_code, reason = "nix's waitpid fails after a real-time signal")]
    // SAFETY: waitpid(2) writes one int, to where there is one.
    let pid = unsafe { libc::waitpid(child.as_raw(), &raw mut status, options) };
    match Errno::result(pid).context("wait for the child process")? {
        0 => Ok(None),
        _ => Ok(Some(ExitStatus::from_raw(status))),
    }
}

/// The signals that must not end this program before the command has ended.
fn signals() -> SigSet {
    use Signal::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    SigSet::from_iter([SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD])
}

/// Keeps these signals pending until [`wait`] takes them. This comes before all else.
fn block_signals() -> Result<()> {
    signals().thread_block().context("block signals")?;
    #[expect(unsafe_code, reason = "nix cannot tell which handlers are safe")]
    // SAFETY: the default action is no handler: no code of ours will run at a signal.
    let reset = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    // A caller may ignore SIGCHLD, and we inherit that. The kernel then keeps no exit status
    // of a child, and tells nobody of its end (wait(2)).
    reset.context("reset SIGCHLD")?;
    Ok(())
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}]"))
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}

/// Says a line on standard error. If that is closed, the command comes first.
fn say(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}
