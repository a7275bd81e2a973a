//! Wrong: waits for the command and for nobody else, as `Child::wait` does. Orphans, too,
//! are children of PID 1, and each that has ended stays a zombie.

mod right;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn main() {
    right::init(|mut child, signals| {
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(right::exit_code(status));
            }
            match signals.wait()? {
                Signal::SIGCHLD => {}
                signal => kill(pid, signal)?,
            }
        }
    })
}
