//! Wrong: binds the new root while `/` is still shared, and makes it private only because
//! pivot_root(2) would say EINVAL. By then the host has the mount, too.

use std::{env, path::Path};

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::unistd::{pivot_root, sethostname};

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(argv: &[String]) -> Result<()> {
    sethostname("container")?;
    let (none, root) = (None::<&str>, env::var("ROOTFS")?);
    let root = Path::new(&root);
    mount(Some(root), root, none, MsFlags::MS_BIND, none)?;
    right::keep_mounts_private()?;
    env::set_current_dir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    env::set_current_dir("/")?;
    right::mount_proc()?;
    right::execute(argv)
}
