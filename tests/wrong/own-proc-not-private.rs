//! Wrong: `/` is not made private, as on the author's machine, where nothing is shared. With
//! systemd everything is: the host's /proc goes away, and the container's comes.

mod right;

use nix::mount::{MntFlags, umount2};

fn main() {
    right::container(|argv| {
        // Missing: mount("/", MS_REC | MS_PRIVATE).
        umount2("/proc", MntFlags::MNT_DETACH)?;
        right::mount_proc()?;
        right::execute(argv)
    })
}
