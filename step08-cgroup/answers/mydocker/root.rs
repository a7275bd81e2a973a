//! Another root, instead of a way down from the old one; and /proc.
//!
//! Read: chroot(2), pivot_root(2), umount2(2), mount_namespaces(7), proc(5).

use std::env;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir, pivot_root};

use crate::dev::expect_no_link;
use crate::options::Options;
use crate::overlay;

/// Stops our mounts from reaching the host.
///
/// The mounts in a new mount namespace are copies, but a copy of a shared mount stays
/// a peer of the original, and systemd makes all mounts shared.
pub fn make_mounts_private() -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).context("make / private")
}

/// How to open a folder only to start from it. No command inherits it.
const PLACE: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// The root directories, while there are two.
pub struct Roots {
    old: OwnedFd,
    new: OwnedFd,
}

/// Makes the root filesystem, an overlay of it, or the image our `/`, which is a mount: for the
/// set-up by chroot(2).
///
/// Names then lead where they lead for the command, and `..` in a link never out. After
/// pivot_root(2) the old root would lie on top of the new one, and `..` lead there.
pub fn enter_root(options: &Options) -> Result<Roots> {
    let old = open("/", PLACE, Mode::empty()).context("open the old root")?;
    // An image lies on our `/` already.
    if options.image.is_none() {
        mount_root(options.overlay)?;
    }
    overlay::enter_top()?;
    chroot(".").context("chroot to the new root")?;
    let new = open("/", PLACE, Mode::empty()).context("open the new root")?;
    Ok(Roots { old, new })
}

/// Makes the folder `ROOTFS`, or an overlay of it, a mount.
fn mount_root(overlay: bool) -> Result<()> {
    let is_first = overlay::is_in_the_first_user_namespace()?;
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    chroot(root.as_os_str()).with_context(|| {
        let root = root.to_string_lossy();
        format!("chroot to {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    if overlay {
        return overlay::mount_overlay(is_first);
    }
    // pivot_root(2) swaps two mounts, and a folder is none: bound to itself it becomes one.
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/"), "/", None::<&str>, flags, None::<&str>).context("bind the new root")
}

/// Makes the new root the root of all mounts, and lets go of the old one and of all that the
/// host has mounted in it: because of that, umount(2) alone would say EBUSY.
///
/// This comes last. What we mount from the host, we can only while it is in our mounts; and
/// in a user namespace, proc can be mounted only by who sees another one already.
pub fn swap_roots(roots: Roots) -> Result<()> {
    // Back outside, as every root can who has a folder open there: pivot_root(2) says EBUSY
    // to a process that is in the new root already.
    fchdir(&roots.old).context("change directory to the old root")?;
    chroot(".").context("chroot to the old root")?;
    fchdir(&roots.new).context("change directory to the new root")?;
    // The second path is where the old root goes: here on top of the new one, so that it
    // takes no folder. All processes of this mount namespace go along.
    pivot_root(".", ".").context("pivot_root to the new root")?;
    // What is unmounted is what lies on top. On the old root the overlay's memory may, if that
    // is an overlay of `/`. With EINVAL the old root itself is a mount no more.
    fchdir(&roots.old).context("change directory to the old root")?;
    while detach(".").context("detach the old root")? {}
    fchdir(&roots.new).context("change directory to the new root")
}

/// Detaches a mount, and says whether it was one.
fn detach(path: &str) -> Result<bool> {
    match umount2(path, MntFlags::MNT_DETACH) {
        Err(Errno::EINVAL) => Ok(false),
        result => Ok(result.map(|()| true)?),
    }
}

/// Mounts a /proc that shows the PID namespace of the process that mounts it: ours.
pub fn mount_proc() -> Result<()> {
    expect_no_link("/proc")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
        .context("mount proc on /proc (without root, it takes one with nothing mounted in it)")
}

/// Takes the host's /proc out of our tree of directories, and with MNT_DETACH also what is
/// mounted in it: systemd's binfmt_misc, for which a plain umount(2) says EBUSY.
///
/// Were the new /proc only mounted over the old one, `umount /proc` in the container would
/// bring that to light again.
pub fn detach_proc() -> Result<()> {
    umount2("/proc", MntFlags::MNT_DETACH).context("detach the host's /proc")
}
