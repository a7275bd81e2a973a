//! A /dev of its own, and a /tmp.
//!
//! Read: tmpfs(5), mknod(2), null(4), random(4), pts(4), and `filesystems/devpts.rst` in the
//! kernel's documentation.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};

/// Device files, with the numbers that the kernel's `admin-guide/devices.txt` gives them.
/// None of them reaches a disk, the memory or the console.
const DEVICES: &[(&str, u64, u64)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// The standard links, and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Mounts a small /dev, and in it terminals and shared memory that are the container's own.
pub fn mount_dev() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    mount_new("tmpfs", "/dev", flags, "mode=755,size=1m")?;
    // Each devpts is a new one: the terminals of the host have their names in another.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("devpts", "/dev/pts", flags, "newinstance,ptmxmode=0666")?;
    // What shm_open(3) makes is a file in here.
    let flags = flags | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/dev/shm", flags, "mode=1777,size=64m")
}

/// Mounts a /tmp that ends with the container.
pub fn mount_tmp() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/tmp", flags, "mode=1777")
}

/// Mounts a new file system, on a folder that is made if it is not there.
fn mount_new(kind: &str, path: &str, flags: MsFlags, options: &str) -> Result<()> {
    expect_no_link(path)?;
    fs::create_dir_all(path).with_context(|| format!("make the folder {path}"))?;
    mount(Some(kind), path, Some(kind), flags, Some(options))
        .with_context(|| format!("mount a {kind} on {path}"))
}

/// A link could lead to `/` itself, and what is mounted there lies on top of us, unseen; or into
/// another mount of ours, or beneath one.
pub fn expect_no_link(path: &str) -> Result<()> {
    if Path::new(path).is_symlink() {
        bail!("mount on {path}: in the root filesystem that is a link; make it a folder");
    }
    Ok(())
}

/// Fills /dev with device files and links, and closes the host's: as long as it is open,
/// /proc/1/fd has a way out of the root filesystem.
pub fn make_devices(host: File) -> Result<()> {
    // Else it would be taken away from the mode that mknod(2) is asked for.
    let mask = umask(Mode::empty());
    for (name, major, minor) in DEVICES {
        make_device(name, makedev(*major, *minor), &host)?;
    }
    umask(mask);
    for (name, target) in LINKS {
        symlink(target, Path::new("/dev").join(name))
            .with_context(|| format!("link /dev/{name} to {target}"))?;
    }
    Ok(())
}

/// Makes a device file, for which the kernel wants CAP_MKNOD in the first of all user
/// namespaces. Elsewhere it says EPERM, and we borrow the host's own by a bind mount.
fn make_device(name: &str, number: u64, host: &File) -> Result<()> {
    let path = Path::new("/dev").join(name);
    let mode = Mode::from_bits_truncate(0o666);
    match mknod(&path, SFlag::S_IFCHR, mode, number) {
        Err(Errno::EPERM) => {}
        made => return made.with_context(|| format!("make /dev/{name}")),
    }
    File::create(&path).with_context(|| format!("make a file to mount /dev/{name} on"))?;
    // By its name the host's /dev is out of reach since chroot, but we hold it open.
    let from = format!("/proc/self/fd/{}/{name}", host.as_raw_fd());
    let flags = MsFlags::MS_BIND;
    mount(Some(&*from), &path, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("mount the host's /dev/{name}"))
}
