//! Wrong: `/` is not made private, as on the author's machine, where nothing is shared. With
//! systemd everything is: the host's /proc goes away, and the container's comes.

use anyhow::Result;
use nix::mount::{MntFlags, umount2};
use nix::sched::CloneFlags;

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(argv: &[String]) -> Result<()> {
    umount2("/proc", MntFlags::MNT_DETACH)?;
    right::mount_proc()?;
    right::execute(argv)
}
