//! Wrong: reaps one process for each SIGCHLD. A signal that is pending is not counted, so of
//! children that end at the same time one is reaped, and the others stay zombies.

mod right;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

fn main() {
    right::init(|child, signals| {
        let child = Pid::from_raw(i32::try_from(child.id())?);
        loop {
            match signals.wait()? {
                Signal::SIGCHLD => match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG))? {
                    WaitStatus::Exited(pid, code) if pid == child => return Ok(code),
                    WaitStatus::Signaled(pid, signal, _) if pid == child => {
                        return Ok(128 + signal as i32);
                    }
                    _ => {}
                },
                signal => kill(child, signal)?,
            }
        }
    })
}
