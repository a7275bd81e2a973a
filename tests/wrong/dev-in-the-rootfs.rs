//! Wrong: the devices are made in the root filesystem's own /dev, where they stay, for every
//! container that comes after.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(argv: &[String]) -> Result<()> {
    right::keep_mounts_private()?;
    let root = env::var("ROOTFS")?;
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
    right::enter_root()?;
    right::mount_proc()?;
    let (tmpfs, flags) = (Some("tmpfs"), MsFlags::empty());
    mount(tmpfs, "/tmp", tmpfs, flags, None::<&str>)?;
    right::execute(argv)
}
