//! Wrong: waits for the command and for nobody else, as `Child::wait` does. Orphans, too,
//! are children of PID 1, and each that has ended stays a zombie.

use std::env;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode};

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, sethostname};

fn main() -> Result<ExitCode> {
    use Signal::{SIGALRM, SIGCHLD, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2};
    let signals = SigSet::from_iter([SIGALRM, SIGCHLD, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2]);
    signals.thread_block()?;
    let args: Vec<_> = env::args_os().collect();
    let mut command;
    if args[1] == "run" {
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)?;
        command = Command::new("/proc/self/exe");
        command.arg("child").args(&args[2..]);
    } else {
        set_pdeathsig(Signal::SIGKILL)?;
        sethostname("container")?;
        command = Command::new(&args[2]);
        command.args(&args[3..]);
        #[expect(unsafe_code, reason = "nothing else runs between fork and exec")]
        // SAFETY: this is one system call, and there is one thread.
        unsafe {
            command.pre_exec(move || Ok(signals.thread_unblock()?));
        }
    }
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
