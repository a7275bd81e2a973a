//! Wrong: the host's /dev, as tutorials on chroot bind it. All devices work, and with them the
//! host's disks and terminals.

use std::env;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(argv: &[String]) -> Result<()> {
    right::keep_mounts_private()?;
    let dev = format!("{}/dev", env::var("ROOTFS")?);
    let (none, flags) = (None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC);
    mount(Some("/dev"), dev.as_str(), none, flags, none)?;
    right::enter_root()?;
    right::mount_proc()?;
    let (tmpfs, flags) = (Some("tmpfs"), MsFlags::empty());
    mount(tmpfs, "/tmp", tmpfs, flags, none)?;
    right::execute(argv)
}
