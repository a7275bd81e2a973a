//! The overlay over the root filesystem.
//!
//! Read: tmpfs(5), and `filesystems/overlayfs.rst` in the kernel's documentation.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::statvfs;

/// Covers the image, which is our root, with an overlay of itself: the image is read, and
/// what is written goes to a folder above it.
///
/// Here that folder is in memory. Real runtimes keep it on disk until the container is
/// removed, and have a folder below for each layer of the image.
pub fn mount_overlay(is_first: bool) -> Result<()> {
    let image = fs::metadata("/").context("look at the image")?;
    // What the image's mount forbids, the overlay has to forbid too.
    let flags = statvfs("/").context("look at the image's mount")?.flags();
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let kept = MsFlags::from_bits_truncate(flags.bits()) & kept;
    mount_over_root("tmpfs", MsFlags::empty(), "mode=700")?;
    enter_top()?;
    for folder in ["upper", "work"] {
        fs::create_dir(folder).with_context(|| format!("make the folder {folder}"))?;
    }
    // The topmost folder of the overlay is the upper one: of this owner, with these rights.
    let (owner, group) = (Some(image.uid()), Some(image.gid()));
    match chown("upper", owner, group) {
        // In a user namespace it may be somebody who is not known there. Then it is ours.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {}
        result => result.context("set the upper folder's owner")?,
    }
    fs::set_permissions("upper", image.permissions()).context("set the upper folder's rights")?;
    // The working directory is in the tmpfs by now, and `/` is the image.
    let folders = "lowerdir=/,upperdir=upper,workdir=work";
    // What overlayfs notes about a file, it writes to attributes that only the first root
    // may write; or, from Linux 5.11 on, to the owner's.
    let notes = if is_first { "" } else { ",userxattr" };
    mount_over_root("overlay", kept, &format!("{folders}{notes}"))
}

/// In each other user namespace root has fewer rights over file systems. Its number is what
/// names a namespace, and that of the first one never changes.
pub fn is_in_the_first_user_namespace() -> Result<bool> {
    let namespace = fs::metadata("/proc/self/ns/user").context("look at the user namespace")?;
    Ok(namespace.ino() == 0xefff_fffd)
}

/// Mounts a new file system, which needs no device, over our root.
pub fn mount_over_root(kind: &str, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(kind), "/", Some(kind), flags, Some(options))
        .with_context(|| format!("mount {kind} on the root filesystem"))
}

/// Goes to what was mounted last over our root. `/` still leads to what lies beneath, and so
/// may its name. In a root directory `..` stays there, but goes up to what lies on it.
pub fn enter_top() -> Result<()> {
    env::set_current_dir("/..").context("change directory to what lies on /")
}
