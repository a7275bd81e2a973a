//! Wrong: mounts on ROOTFS + CONTAINER, and then calls chroot. A symbolic link in the root
//! filesystem that begins with `/` then leads to the host's files: not into the container.

mod right;

use std::env;

use anyhow::{Result, ensure};
use nix::mount::MsFlags;

fn main() {
    right::container(|mut argv| {
        right::make_mounts_private()?;
        while let Some(volume) = right::take_option(&mut argv, "--volume") {
            mount_volume(&env::var("ROOTFS")?, volume)?;
        }
        right::enter_root()?;
        right::mount_proc()?;
        right::execute(argv)
    })
}

fn mount_volume(root: &str, volume: &str) -> Result<()> {
    let parts: Vec<&str> = volume.split(':').collect();
    ensure!(parts.len() > 1 && parts[1].starts_with('/'), "usage");
    let place = format!("{root}{}", parts[1]);
    right::mount(parts[0], &place, MsFlags::MS_BIND)?;
    if parts.get(2) == Some(&"ro") {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        right::mount(parts[0], &place, flags)?;
    }
    Ok(())
}
