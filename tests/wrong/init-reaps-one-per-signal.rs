//! Wrong: reaps one process for each SIGCHLD. A signal that is pending is not counted, so of
//! children that end at the same time one is reaped, and the others stay zombies.

use std::process::ExitCode;

use anyhow::Result;
use nix::sys::signal::{Signal::SIGCHLD, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

mod right;

fn main() -> Result<ExitCode> {
    let (signals, mut command) = right::init()?;
    let child = Pid::from_raw(i32::try_from(command.spawn()?.id())?);
    loop {
        let code = match signals.wait()? {
            SIGCHLD => match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(pid, code) if pid == child => code,
                WaitStatus::Signaled(pid, signal, _) if pid == child => 128 + signal as i32,
                _ => continue,
            },
            signal => {
                kill(child, signal)?;
                continue;
            }
        };
        return Ok(ExitCode::from(u8::try_from(code)?));
    }
}
