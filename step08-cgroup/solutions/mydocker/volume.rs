//! Folders of the host in the container.
//!
//! Read: mount(2) about MS_BIND and MS_REMOUNT, path_resolution(7), proc_pid_fd(5).

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::sys::statvfs::statvfs;

/// What `--volume` asks for.
pub struct Volume {
    pub host: PathBuf,
    pub container: PathBuf,
    pub is_read_only: bool,
}

/// Opens the folders of the host, while its paths still lead there.
pub fn open_folders(volumes: &[Volume]) -> Result<Vec<OwnedFd>> {
    let hosts = volumes.iter().map(|volume| &volume.host);
    let open = |host: &PathBuf| {
        open(host, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .with_context(|| format!("open {} on the host", host.display()))
    };
    hosts.map(open).collect()
}

/// Mounts all of them, and closes the folders: as long as one is open, /proc/1/fd has a way
/// out of the root filesystem.
pub fn mount_volumes(volumes: &[Volume], folders: Vec<OwnedFd>) -> Result<()> {
    let mut both = volumes.iter().zip(folders);
    both.try_for_each(|(volume, folder)| mount_volume(volume, &folder))
}

/// Mounts a folder of the host in the container.
///
/// This comes in the new root: a symbolic link in the root filesystem then leads where it leads
/// for the command, and never to a file of the host. The way to the folder outside is its
/// descriptor. Newer runtimes ask open_tree(2) for one that move_mount(2) can mount.
fn mount_volume(volume: &Volume, folder: &OwnedFd) -> Result<()> {
    let place = &volume.container;
    let what = || format!("mount {} on {}", volume.host.display(), place.display());
    let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
    // The place has to be there. Docker makes one, in a layer above the image; here it
    // would be made in the image, and stay there.
    //
    // Without MS_REC, what is mounted below the folder stays outside. With it, `ro` would
    // hold for the topmost mount and for none below it.
    let none = None::<&str>;
    mount(Some(folder.as_str()), place, none, MsFlags::MS_BIND, none).with_context(what)?;
    if volume.is_read_only {
        make_read_only(place).with_context(what)?;
    }
    Ok(())
}

/// A new bind mount has the flags of the mount that it came from: mount(2) ignores all that
/// are passed with MS_BIND. A second call changes them, all at once. So those that are to
/// stay have to be named; and in a user namespace the kernel insists that they do.
fn make_read_only(place: &Path) -> Result<()> {
    let now = statvfs(place).context("look at its flags")?.flags();
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let kept = MsFlags::from_bits_truncate(now.bits()) & kept;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | kept;
    let none = None::<&str>;
    mount(none, place, none, flags, none).context("make it read-only")
}
