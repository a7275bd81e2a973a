//! Who stays with a container that is detached: `run -d` starts it, hears of the start, and ends.
//!
//! Read: setsid(2), credentials(7), pipe(7).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use nix::unistd::{dup2_stderr, dup2_stdout, setsid};

use crate::container::Container;
use crate::inherited;
use crate::print;

/// Starts a supervisor that stays, waits until it has started the container, and prints the
/// name of that. Returns the exit status.
pub fn run_detached(name: &str, args: &[OsString]) -> Result<u8> {
    let mut supervisor = Command::new("/proc/self/exe")
        .args(["supervise", name])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("execute /proc/self/exe supervise (takes a /proc: `mount -t proc proc /proc`)")?;
    let output = supervisor.stdout.take().context("find what it writes")?;
    if hears_started(output)? {
        print(name)?;
        return Ok(0);
    }
    // Until then it has our standard error, and so has told why.
    let status = supervisor.wait().context("wait for the supervisor")?;
    Ok(code_of(status))
}

/// Waits until somebody says that the command is there, or has no way left to say so.
pub fn hears_started(mut output: impl Read) -> Result<bool> {
    let mut words = Vec::new();
    let read = output.read_to_end(&mut words);
    read.context("wait for the start of the container")?;
    Ok(words.ends_with(b"started\n"))
}

/// Says that the command is there, and lets go of whoever has waited for that.
pub fn tell_started(log: &File) -> Result<()> {
    // If nobody waits any more, the container stays all the same.
    writeln!(io::stdout(), "started").ok();
    dup2_stdout(log).context("write standard output to the log")?;
    dup2_stderr(log).context("write standard error to the log")
}

/// Stays with a container: makes it, lets `host` run it, and leaves its exit status.
///
/// `host` returns whether there was a command, and how it ended.
pub fn stay_with(
    name: &str,
    argv: &[OsString],
    host: impl FnOnce(&Container) -> Result<(bool, u8)>,
) -> Result<u8> {
    // A session has at most one terminal, and whoever closes it sends SIGHUP to those in it.
    // A new one has none.
    setsid().context("begin a session")?;
    // Somebody may be waiting for the end of a pipe that our caller has.
    inherited::close_inherited()?;
    let (container, _lock) = Container::create(name, argv)?;
    let ended = host(&container);
    match &ended {
        Ok((true, code)) => container.set_status(*code)?,
        // What never was there is in no list.
        _ => container.forget()?,
    }
    Ok(ended?.1)
}

/// The exit status as a shell has it: its own, or 128 + n if signal n ended it.
pub fn code_of(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|number| 128 + number);
    let code = status.code().or(signal);
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(125)
}
