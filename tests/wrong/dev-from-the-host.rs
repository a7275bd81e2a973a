//! Wrong: the host's /dev, as tutorials on chroot bind it. All devices work, and with them the
//! host's disks and terminals.

mod right;

use std::env;

use nix::mount::MsFlags;

fn main() {
    right::container(|argv| {
        right::make_mounts_private()?;
        let dev = format!("{}/dev", env::var("ROOTFS")?);
        right::mount("/dev", &dev, MsFlags::MS_BIND | MsFlags::MS_REC)?;
        right::enter_root()?;
        right::mount_proc()?;
        right::mount("tmpfs", "/tmp", MsFlags::empty())?;
        right::execute(argv)
    })
}
