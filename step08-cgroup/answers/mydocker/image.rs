//! An image as root filesystem, in memory.
//!
//! Read: tmpfs(5).

use std::fs;

use anyhow::{Context, Result};
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::chroot;

use crate::layout::Layer;
use crate::{init, overlay, process, status, unpack};

/// Covers our root with a file system in memory that has what is in the layers, and returns an exit
/// status.
///
/// A process of its own unpacks them, and a signal may end that at any moment: PID 1 would not
/// hear it, and the kernel tidies up.
pub fn mount_image(layers: &[Layer]) -> Result<u8> {
    let start = || isize::from(status(unpack_layers(layers).map(|()| 0)));
    let pid = process::clone_child(CloneFlags::empty(), Box::new(start))?;
    init::wait(pid, false)
}

fn unpack_layers(layers: &[Layer]) -> Result<()> {
    SigSet::all().thread_unblock().context("unblock signals")?;
    // All is open now, and from here on no name leads out of the new root: `..` ends at its
    // top, and so does a link to `/`. Whatever a layer says, we can write nowhere else.
    overlay::mount_over_root("tmpfs", MsFlags::empty(), "mode=755")?;
    overlay::enter_top()?;
    chroot(".").context("chroot to the image")?;
    umask(Mode::from_bits_truncate(0o022));
    layers.iter().try_for_each(unpack::unpack)?;
    // An image need not have one to mount on.
    fs::create_dir_all("/proc").context("make the folder /proc")
}
