//! Wrong: the host's /dev, as tutorials on chroot bind it. All devices work, and with them the
//! host's disks and terminals.

use std::env;
use std::os::unix::fs::chroot;
use std::process::{Command, exit};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    match argv.first().map(String::as_str) {
        Some("run") => run(&argv[1..]),
        Some("child") => child(&argv[1..]),
        _ => bail!("usage: run COMMAND [ARG...]"),
    }
}

fn run(argv: &[String]) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    end(Command::new("/proc/self/exe").arg("child").args(argv))
}

fn child(argv: &[String]) -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    let root = env::var("ROOTFS").context("find the root filesystem")?;
    let dev = format!("{root}/dev");
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(
        Some("/dev"),
        dev.as_str(),
        None::<&str>,
        flags,
        None::<&str>,
    )?;
    chroot(&root)?;
    env::set_current_dir("/")?;
    let flags = MsFlags::empty();
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?;
    mount(Some("tmpfs"), "/tmp", Some("tmpfs"), flags, None::<&str>)?;
    end(Command::new(&argv[0]).args(&argv[1..]))
}

fn end(command: &mut Command) -> Result<()> {
    exit(command.status()?.code().unwrap_or(1))
}
