//! Wrong: waits for the command and for nobody else, as `Child::wait` does. Orphans, too,
//! are children of PID 1, and each that has ended stays a zombie.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;

use anyhow::Result;
use nix::sys::signal::{Signal::SIGCHLD, kill};
use nix::unistd::Pid;

mod right;

fn main() -> Result<ExitCode> {
    let (signals, mut command) = right::init()?;
    let mut child = command.spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        if let Some(status) = child.try_wait()? {
            let signal = status.signal().map(|number| 128 + number);
            let code = status.code().or(signal).unwrap_or(125);
            return Ok(ExitCode::from(u8::try_from(code)?));
        }
        match signals.wait()? {
            SIGCHLD => {}
            signal => kill(pid, signal)?,
        }
    }
}
