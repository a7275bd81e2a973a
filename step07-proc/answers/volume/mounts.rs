//! Folders of the host in the container.
//!
//! Read: mount(2) about MS_BIND and MS_REMOUNT, path_resolution(7), proc_pid_fd(5).

use std::ffi::{CString, OsStr};
use std::fs;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

/// What statvfs(3) and Linux call the flag of a mount whose symbolic links are not followed.
const ST_NOSYMFOLLOW: libc::c_ulong = 0x2000;

/// What `--volume` asks for.
pub struct Volume {
    pub host: PathBuf,
    pub container: PathBuf,
    pub is_read_only: bool,
}

/// Splits HOST:CONTAINER[:ro].
pub fn split(text: &OsStr) -> Option<Volume> {
    let parts: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b':').collect();
    let (host, container, is_read_only) = match parts[..] {
        [host, container] => (host, container, false),
        [host, container, b"ro"] => (host, container, true),
        _ => return None,
    };
    let is_volume = !host.is_empty() && container.starts_with(b"/");
    is_volume.then(|| Volume {
        host: OsStr::from_bytes(host).into(),
        container: OsStr::from_bytes(container).into(),
        is_read_only,
    })
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
    let mut places: Vec<PathBuf> = Vec::new();
    for (volume, folder) in volumes.iter().zip(folders) {
        let place = place_of(volume)?;
        if places.iter().any(|earlier| earlier.starts_with(&place)) {
            bail!(
                "the volume on {} would cover one that is mounted before",
                place.display()
            );
        }
        mount_volume(volume, &folder, &place)?;
        places.push(place);
    }
    Ok(())
}

/// Where a volume goes, without links: that path leads there also once it is mounted.
fn place_of(volume: &Volume) -> Result<PathBuf> {
    let place = fs::canonicalize(&volume.container)
        .with_context(|| format!("find {} in the container", volume.container.display()))?;
    // What is mounted on our root lies above us, unseen.
    if place == Path::new("/") || place.starts_with("/proc") {
        let place = place.display();
        bail!("mount a volume on {place}: it goes below /, and not into /proc");
    }
    Ok(place)
}

/// Mounts a folder of the host in the container.
///
/// This comes in the new root: a symbolic link in the root filesystem then leads where it leads
/// for the command, and never to a file of the host. The way to the folder outside is its
/// descriptor. Newer runtimes ask open_tree(2) for one that move_mount(2) can mount.
fn mount_volume(volume: &Volume, folder: &OwnedFd, place: &Path) -> Result<()> {
    let what = || format!("mount {} on {}", volume.host.display(), place.display());
    let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
    // The place has to be there. Docker makes one, in a layer above the image; here it
    // would be made in the image, and stay there.
    //
    // With MS_REC, what is mounted below the folder comes along. `ro` would then hold for the
    // topmost mount and for none below it, so there all of that stays outside.
    let none = None::<&str>;
    let flags = match volume.is_read_only {
        true => MsFlags::MS_BIND,
        false => MsFlags::MS_BIND | MsFlags::MS_REC,
    };
    let mounted = mount(Some(folder.as_str()), place, none, flags, none);
    if volume.is_read_only && mounted == Err(Errno::EINVAL) {
        // What a mount hides is not for a user namespace to see.
        bail!(
            "{}: without root, `ro` takes a folder with no mount below it",
            what()
        );
    }
    mounted.with_context(what)?;
    if volume.is_read_only {
        make_read_only(place).with_context(what)?;
    }
    Ok(())
}

/// A new bind mount has the flags of the mount that it came from: mount(2) ignores all that
/// are passed with MS_BIND. A second call changes them, all at once. So those that are to
/// stay have to be named; and in a user namespace the kernel insists that they do. Those
/// about times of access stay if none of them is named.
fn make_read_only(place: &Path) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let flags = flags | forbidden(place).context("look at its flags")?;
    let none = None::<&str>;
    mount(none, place, none, flags, none).context("make it read-only")
}

/// What a mount forbids, as flags for mount(2).
fn forbidden(place: &Path) -> Result<MsFlags> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    #[expect(unsafe_code, reason = "nix does not know ST_NOSYMFOLLOW")]
    // SAFETY: a statvfs is made of numbers, and all of them can be 0.
    let mut found: libc::statvfs = unsafe { mem::zeroed() };
    #[expect(unsafe_code, reason = "nix does not know ST_NOSYMFOLLOW")]
    // SAFETY: statvfs(3) reads a path that ends with a 0, and writes to one such structure.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut found) };
    Errno::result(result)?;
    let same = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let mut flags = found.f_flag & same;
    if found.f_flag & ST_NOSYMFOLLOW != 0 {
        flags |= libc::MS_NOSYMFOLLOW;
    }
    Ok(MsFlags::from_bits_retain(flags))
}
