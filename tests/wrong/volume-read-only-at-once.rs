//! Wrong: asks for MS_BIND and MS_RDONLY in one call. mount(2) ignores the second and says
//! nothing; the volume is there, and can be written to.

mod right;

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::ensure;
use nix::mount::MsFlags;

fn main() {
    right::container(|mut argv| {
        right::make_mounts_private()?;
        let mut volumes = Vec::new();
        while let Some(volume) = right::take_option(&mut argv, "--volume") {
            let parts: Vec<&str> = volume.split(':').collect();
            ensure!(parts.len() > 1 && parts[1].starts_with('/'), "usage");
            volumes.push((File::open(parts[0])?, parts[1], parts.get(2) == Some(&"ro")));
        }
        right::enter_root()?;
        right::mount_proc()?;
        for (folder, place, is_read_only) in &volumes {
            let mut flags = MsFlags::MS_BIND;
            flags.set(MsFlags::MS_RDONLY, *is_read_only);
            let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
            right::mount(&folder, place, flags)?;
        }
        right::execute(argv)
    })
}
