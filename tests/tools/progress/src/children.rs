//! What we have started: it writes to a file, and is waited for.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Is asked every few milliseconds whether to wait no longer.
pub type Stop<'a> = &'a mut dyn FnMut() -> Result<bool>;

/// Waits for all to end, and ends them when the time is over, or at `stop`. Tells whether it
/// came to no stop.
///
/// A suite that gets SIGTERM first kills what it has started. So we must not end before it.
pub fn wait(children: &mut [Child], limit: Duration, stop: Stop) -> Result<bool> {
    let start = Instant::now();
    let mut running: Vec<&mut Child> = children.iter_mut().collect();
    let is_stopped = loop {
        running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let is_stopped = !running.is_empty() && stop()?;
        if is_stopped || running.is_empty() || start.elapsed() > limit {
            break is_stopped;
        }
        thread::sleep(Duration::from_millis(5));
    };
    for child in &running {
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        kill(pid, Signal::SIGTERM).context("end a program")?;
    }
    for child in running {
        child.wait().context("wait for a program")?;
    }
    Ok(!is_stopped)
}

/// A file for what a program prints. Unlike a pipe it is never full, and never without a
/// reader: a suite could not clean up after a write that fails.
pub fn memory_file() -> Result<File> {
    let file = memfd_create(c"output", MFdFlags::MFD_CLOEXEC).context("make a file in memory")?;
    Ok(File::from(file))
}

/// All that has been printed into a file.
pub fn read_all(mut file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().context("rewind a file")?;
    file.read_to_end(&mut bytes).context("read a file")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
