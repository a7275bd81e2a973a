//! Wrong: puts the old root into a folder of the new one, and leaves it mounted there. The
//! command sees another `/`, and all of the host's files in /tmp.

use std::{env, path::Path};

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::unistd::{pivot_root, sethostname};

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(argv: &[String]) -> Result<()> {
    sethostname("container")?;
    right::keep_mounts_private()?;
    let (none, root) = (None::<&str>, env::var("ROOTFS")?);
    let root = Path::new(&root);
    mount(Some(root), root, none, MsFlags::MS_BIND, none)?;
    env::set_current_dir(root)?;
    pivot_root(".", "tmp")?;
    env::set_current_dir("/")?;
    right::mount_proc()?;
    right::execute(argv)
}
