//! How to wait: for as long as it takes, and not for ever.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use contract::failure::Failure;
use contract::variables;
use kernelfiles::{machine, process};

use crate::inside;

/// What nothing takes that a test waits for.
pub const LONG: u64 = 5_000;

/// So many milliseconds on a machine like the author's, for this one.
pub fn scaled(milliseconds: u64) -> Duration {
    variables::scaled(Duration::from_millis(milliseconds))
}

/// A time limit that is longer on a machine with other work to do: while ten processes share
/// a processor, ten seconds count for one. But not if all that could go on is asleep.
pub struct Patience {
    left: Duration,
    last: Instant,
}

impl Patience {
    /// For so long, on a machine that has nothing else to do.
    pub fn new(milliseconds: u64) -> Self {
        Self {
            left: scaled(milliseconds),
            last: Instant::now(),
        }
    }

    /// Has to be asked often.
    pub fn is_over(&mut self) -> bool {
        let passed = self.last.elapsed();
        if passed > Duration::from_millis(20) {
            let crowd = if is_anything_running() { crowd() } else { 1 };
            self.left = self.left.saturating_sub(passed / crowd);
            self.last = Instant::now();
        }
        self.left.is_zero()
    }
}

/// How many processes share a processor now.
fn crowd() -> u32 {
    let running = machine::running().unwrap_or(1);
    let processors = thread::available_parallelism().map_or(1, |count| count.get() as u32);
    (running / processors).clamp(1, 6)
}

/// Whether one of the processes that a test can see is running, waits for a processor, or is
/// busy in the kernel. Outside, all of the machine can be seen, and so it is.
fn is_anything_running() -> bool {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let is_running = |pid| pid != own && process::state(pid).is_ok_and(|it| "RD".contains(it));
    !inside::is_inside() || process::all().any(is_running)
}

/// Waits until `look` finds something, and says `what` was missing if it never does.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let mut patience = Patience::new(LONG);
    loop {
        // In this order: what came while we slept has come.
        let is_over = patience.is_over();
        if let Some(found) = look() {
            return Ok(found);
        }
        if is_over {
            let seen = format!("nothing of the kind within {:?}", scaled(LONG));
            return Err(Failure::new(what, seen).into());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until `holds`, and says `what` was missing if that never comes.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    eventually(what, || holds().then_some(()))
}
