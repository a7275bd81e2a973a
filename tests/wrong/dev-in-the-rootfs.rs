//! Wrong: the devices are made in the root filesystem's own /dev, where they stay, for every
//! container that comes after.

use std::env;
use std::fs;
use std::os::unix::fs::{chroot, symlink};
use std::process::{Command, exit};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};

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
    umask(Mode::empty());
    let mode = Mode::from_bits_truncate(0o666);
    for (name, minor) in [
        ("null", 3),
        ("zero", 5),
        ("full", 7),
        ("random", 8),
        ("urandom", 9),
    ] {
        let path = format!("{root}/dev/{name}");
        mknod(path.as_str(), SFlag::S_IFCHR, mode, makedev(1, minor)).ok();
    }
    symlink("/proc/self/fd", format!("{root}/dev/fd")).ok();
    fs::create_dir_all(format!("{root}/dev/pts"))?;
    fs::create_dir_all(format!("{root}/dev/shm"))?;
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
