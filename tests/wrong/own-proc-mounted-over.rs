//! Wrong: the new /proc lies over the old one, which is still there beneath. `ps` looks
//! right, and so nobody asks what `umount /proc` brings to light.

use anyhow::Result;
use nix::sched::CloneFlags;

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(argv: &[String]) -> Result<()> {
    right::keep_mounts_private()?;
    right::mount_proc()?;
    right::execute(argv)
}
