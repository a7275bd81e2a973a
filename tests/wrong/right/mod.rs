//! What is right in these answers: `run` makes namespaces, and starts this program once more;
//! that is `child`, which makes the container and executes the command.
#![allow(dead_code, reason = "no answer needs all of it")]

use std::env;
use std::os::unix::fs::chroot;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::sethostname;

/// Does what the command line says: `run` makes these namespaces, and `child` gets what follows.
pub fn start(flags: CloneFlags, child: fn(&[String]) -> Result<()>) -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    match argv.first().map(String::as_str) {
        Some("run") if argv.len() > 1 => {
            unshare(flags)?;
            end(Command::new("/proc/self/exe").arg("child").args(&argv[1..]))
        }
        Some("child") if argv.len() > 1 => child(&argv[1..]),
        _ => bail!("usage: run COMMAND [ARG...]"),
    }
}

pub fn keep_mounts_private() -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    Ok(mount(
        None::<&str>,
        "/",
        None::<&str>,
        private,
        None::<&str>,
    )?)
}

pub fn enter_root() -> Result<()> {
    chroot(env::var("ROOTFS")?)?;
    Ok(env::set_current_dir("/")?)
}

pub fn mount_proc() -> Result<()> {
    let (proc, flags) = (Some("proc"), MsFlags::empty());
    Ok(mount(proc, "/proc", proc, flags, None::<&str>)?)
}

/// Executes the command, and ends as it has ended.
pub fn execute(argv: &[String]) -> Result<()> {
    end(Command::new(&argv[0]).args(&argv[1..]))
}

fn end(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    let signal = status.signal().map(|number| 128 + number);
    exit(status.code().or(signal).unwrap_or(125))
}

/// What `run`, and `child` as PID 1, start, and the signals that they wait for and pass on.
pub fn init() -> Result<(SigSet, Command)> {
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
    Ok((signals, command))
}
