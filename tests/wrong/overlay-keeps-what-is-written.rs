//! Wrong: keeps the upper folder on disk, beside the image, and always the same one. The
//! image stays as it was, but the next container sees what the one before has written.

mod right;

use std::env;

fn main() {
    right::container(|argv| {
        right::make_mounts_private()?;
        let root = env::var("ROOTFS")?;
        right::mount_overlay(&root, &format!("{root}.writes"), &root)?;
        right::enter_root()?;
        right::execute(argv)
    })
}
