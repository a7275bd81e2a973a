//! What one asks of containers that are there.
//!
//! Read: kill(2).

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::container::{self, Container, State};
use crate::print;

/// How long `stop` waits, as Docker does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what the words say, and returns whether they are one of these commands.
pub fn execute(words: &[&str]) -> Result<bool> {
    match *words {
        ["ps"] => list()?,
        ["logs", name] => show_log(name)?,
        ["stop", name] => stop(name, PATIENCE)?,
        ["stop", "-t", seconds, name] => match seconds.parse() {
            Ok(seconds) => stop(name, Duration::from_secs(seconds))?,
            Err(_) => return Ok(false),
        },
        ["rm", name] => remove(name)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn list() -> Result<()> {
    container::list()?.iter().try_for_each(|line| print(line))
}

fn show_log(name: &str) -> Result<()> {
    let mut log = Container::find(name)?.read_log()?;
    io::copy(&mut log, &mut io::stdout()).context("write the log to standard output")?;
    Ok(())
}

/// SIGTERM goes to the supervisor, which passes it on; SIGKILL to all that is in the cgroup.
fn stop(name: &str, patience: Duration) -> Result<()> {
    let container = Container::find(name)?;
    let began = Instant::now();
    if let State::Running(supervisor) = container.state()? {
        signal(supervisor, Signal::SIGTERM)?;
    }
    while container.is_running()? {
        if began.elapsed() >= patience {
            container
                .processes()?
                .into_iter()
                .try_for_each(|pid| signal(pid, Signal::SIGKILL))?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    print(name)
}

/// Between asking for a PID and this, the process may have ended, and that is what we want.
fn signal(pid: Pid, signal: Signal) -> Result<()> {
    // 0 would be all processes of our own group.
    if pid.as_raw() == 0 {
        bail!("the supervisor is in a PID namespace that is not below ours");
    }
    match kill(pid, signal) {
        Err(Errno::ESRCH) => Ok(()),
        result => result.with_context(|| format!("send {signal} to process {pid}")),
    }
}

fn remove(name: &str) -> Result<()> {
    Container::find(name)?.remove()?;
    print(name)
}
