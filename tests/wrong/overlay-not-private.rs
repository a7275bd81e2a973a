//! Wrong: has a mount namespace, and takes that for enough. Where `/` is shared, as systemd
//! makes it, the host gets the overlay in the place of its own folder, and keeps it.

mod right;

use std::os::unix::fs::chroot;
use std::{env, fs};

use nix::mount::MsFlags;

fn main() {
    right::container(|argv| {
        // Missing: mount("/", MS_REC | MS_PRIVATE).
        let root = fs::canonicalize(env::var("ROOTFS")?)?;
        let place = root.display().to_string();
        // The image, which the tmpfs for what is written hides.
        env::set_current_dir(&root)?;
        right::mount("tmpfs", &place, MsFlags::empty())?;
        right::mount_overlay(".", &place, &place)?;
        chroot(&root)?;
        env::set_current_dir("/")?;
        right::execute(argv)
    })
}
