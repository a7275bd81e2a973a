//! Another root, instead of a way down from the old one; and /proc.
//!
//! Read: chroot(2), pivot_root(2), umount2(2), mount_namespaces(7), proc(5), and
//! `filesystems/overlayfs.rst` in the kernel's documentation.

use std::env;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir, pivot_root};

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

/// Makes the root filesystem, or an overlay of it, our `/`: for the set-up by chroot(2).
///
/// Names then lead where they lead for the command, and `..` in a link never out. After
/// pivot_root(2) the old root would lie on top of the new one, and `..` lead there.
pub fn enter_root(overlay: bool) -> Result<Roots> {
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    let root = Path::new(&root);
    if overlay {
        mount_overlay(root)?;
    }
    // pivot_root(2) swaps two mounts, and a folder is none: bound to itself it becomes one.
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(root), root, None::<&str>, flags, None::<&str>).with_context(|| {
        let root = root.display();
        format!("bind {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    let roots = Roots {
        old: open("/", PLACE, Mode::empty()).context("open the old root")?,
        new: open(root, PLACE, Mode::empty()).context("open the new root")?,
    };
    fchdir(&roots.new).context("change directory to the new root")?;
    chroot(".").context("chroot to the new root")?;
    Ok(roots)
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
    // The working directory is the new root, and what is unmounted is what lies on top.
    umount2(".", MntFlags::MNT_DETACH).context("detach the old root")
}

/// Covers the image with an overlay of itself: the image is read, and what is written goes
/// to a folder above it.
///
/// Here that folder is in memory. Real runtimes keep it on disk until the container is
/// removed, and have a folder below for each layer of the image.
fn mount_overlay(root: &Path) -> Result<()> {
    let image = File::open(root).with_context(|| {
        let root = root.display();
        format!("open {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    // The one folder that is there for sure, on the host too. From now on its path leads to
    // the tmpfs, and the descriptor to the image beneath.
    mount_over(root, "tmpfs", "mode=700")?;
    let memory = File::open(root).context("open the tmpfs")?;
    let (image_path, memory) = (path_of(&image), path_of(&memory));
    let (upper, work) = (format!("{memory}/upper"), format!("{memory}/work"));
    for folder in [&upper, &work] {
        fs::create_dir(folder).with_context(|| format!("make the folder {folder}"))?;
    }
    // The topmost folder of the overlay is the upper one: with these rights.
    let rights = image.metadata().context("look at the image")?.permissions();
    fs::set_permissions(&upper, rights).context("set the rights of the upper folder")?;
    let options = format!("lowerdir={image_path},upperdir={upper},workdir={work}");
    mount_over(root, "overlay", &options)
}

/// Mounts a new file system, which needs no device, on the folder `path`.
fn mount_over(path: &Path, kind: &str, options: &str) -> Result<()> {
    mount(
        Some(kind),
        path,
        Some(kind),
        MsFlags::empty(),
        Some(options),
    )
    .with_context(|| format!("mount {kind} on {}", path.display()))
}

/// A path without a comma or a colon, which would end it in the options of a mount.
fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Mounts a /proc that shows the PID namespace of the process that mounts it: ours.
pub fn mount_proc() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("mount proc on /proc")
}

/// Takes the host's /proc out of our tree of directories, and with MNT_DETACH also what is
/// mounted in it: systemd's binfmt_misc, for which a plain umount(2) says EBUSY.
///
/// Were the new /proc only mounted over the old one, `umount /proc` in the container would
/// bring that to light again.
pub fn detach_proc() -> Result<()> {
    umount2("/proc", MntFlags::MNT_DETACH).context("detach the host's /proc")
}
