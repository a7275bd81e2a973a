//! Wrong: mounts on ROOTFS + CONTAINER, and then calls chroot. A symbolic link in the root
//! filesystem that begins with `/` then leads to the host's files: not into the container.

use std::{env, path::Path};

use anyhow::{Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(mut argv: &[String]) -> Result<()> {
    right::keep_mounts_private()?;
    let root = env::var("ROOTFS")?;
    while argv[0] == "--volume" {
        mount_volume(&root, &argv[1])?;
        argv = &argv[2..];
    }
    if argv[0] == "--" {
        argv = &argv[1..];
    }
    right::enter_root()?;
    right::mount_proc()?;
    right::execute(argv)
}

fn mount_volume(root: &str, volume: &str) -> Result<()> {
    let parts: Vec<&str> = volume.split(':').collect();
    ensure!(parts.len() > 1 && parts[1].starts_with('/'), "usage");
    let (none, place) = (None::<&str>, format!("{root}{}", parts[1]));
    let (host, place) = (Path::new(parts[0]), place.as_str());
    mount(Some(host), place, none, MsFlags::MS_BIND, none)?;
    if parts.get(2) == Some(&"ro") {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, place, none, flags, none)?;
    }
    Ok(())
}
