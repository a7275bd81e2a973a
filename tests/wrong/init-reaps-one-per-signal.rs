//! Wrong: reaps one process for each SIGCHLD. A signal that is pending is not counted, so of
//! children that end at the same time one is reaped, and the others stay zombies.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
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
