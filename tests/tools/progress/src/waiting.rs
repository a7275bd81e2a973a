//! Waits for what we have started, and hears meanwhile what should end that.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::flag;

/// Is asked every few milliseconds whether to wait no longer.
pub type Stop<'a> = &'a mut dyn FnMut() -> Result<bool>;

/// The signals that want us to end. We end what we have started before, and put the terminal
/// back.
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// From now on they do not end us. What we start is not deaf to them: a handler does not
    /// outlive execve(2), where a mask would.
    pub fn catch() -> Result<Self> {
        use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let came = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            let number = signal as i32;
            flag::register_usize(number, Arc::clone(&came), number.unsigned_abs() as usize)
                .context("catch signals")?;
        }
        Ok(Self(came))
    }

    /// The exit status that tells of the signal, if one has come.
    pub fn status(&self) -> Option<u8> {
        let number = self.0.load(Ordering::SeqCst);
        (number > 0).then(|| u8::try_from(128 + number).unwrap_or(u8::MAX))
    }
}

/// Waits for all to end, and ends them when the time is over, or at `stop`. Tells whether it
/// came to no stop.
///
/// A suite that gets SIGTERM first kills what it has started. So we must not end before it.
pub fn wait(children: &mut [&mut Child], limit: Duration, stop: Stop) -> Result<bool> {
    let start = Instant::now();
    while !have_ended(children)? {
        let is_stopped = stop()?;
        if is_stopped || start.elapsed() > limit {
            end(children)?;
            return Ok(!is_stopped);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

fn have_ended(children: &mut [&mut Child]) -> Result<bool> {
    let mut children = children.iter_mut();
    children.try_fold(true, |all, child| Ok(all && has_ended(child)?))
}

fn has_ended(child: &mut Child) -> Result<bool> {
    let status = child.try_wait().context("wait for a program")?;
    Ok(status.is_some())
}

fn end(children: &mut [&mut Child]) -> Result<()> {
    for child in children.iter_mut() {
        if !has_ended(child)? {
            let pid = Pid::from_raw(i32::try_from(child.id())?);
            kill(pid, Signal::SIGTERM).context("end a program")?;
        }
    }
    for child in children {
        child.wait().context("wait for a program")?;
    }
    Ok(())
}
