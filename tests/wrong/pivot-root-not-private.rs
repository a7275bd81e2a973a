//! Wrong: binds the new root while `/` is still shared, and makes it private only because
//! pivot_root(2) would say EINVAL. By then the host has the mount, too.

mod right;

use std::env;

use nix::mount::{MntFlags, MsFlags, umount2};
use nix::unistd::pivot_root;

fn main() {
    right::container(|argv| {
        let root = env::var("ROOTFS")?;
        right::mount(&root, &root, MsFlags::MS_BIND)?;
        right::make_mounts_private()?;
        env::set_current_dir(&root)?;
        pivot_root(".", ".")?;
        umount2(".", MntFlags::MNT_DETACH)?;
        env::set_current_dir("/")?;
        right::mount_proc()?;
        right::execute(argv)
    })
}
