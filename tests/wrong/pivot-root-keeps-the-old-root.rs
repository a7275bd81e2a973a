//! Wrong: puts the old root into a folder of the new one, and leaves it mounted there. The
//! command sees another `/`, and all of the host's files in /tmp.

mod right;

use std::env;

use nix::mount::MsFlags;
use nix::unistd::pivot_root;

fn main() {
    right::container(|argv| {
        right::make_mounts_private()?;
        let root = env::var("ROOTFS")?;
        right::mount(&root, &root, MsFlags::MS_BIND)?;
        env::set_current_dir(&root)?;
        pivot_root(".", "tmp")?;
        env::set_current_dir("/")?;
        // Missing: umount2("/tmp", MNT_DETACH).
        right::mount_proc()?;
        right::execute(argv)
    })
}
