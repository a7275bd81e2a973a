//! What is right in these answers: `run` makes namespaces, and starts this program once more;
//! that is `child`, which makes the container and executes the command.
#![allow(dead_code, reason = "no answer needs all of it")]

use std::env;
use std::os::unix::fs::chroot;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

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
