//! Wrong: asks for MS_BIND and MS_RDONLY in one call. mount(2) ignores the second and says
//! nothing; the volume is there, and can be written to.

use std::fs::File;
use std::os::fd::AsRawFd;

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
    let mut volumes = Vec::new();
    while argv[0] == "--volume" {
        let parts: Vec<&str> = argv[1].split(':').collect();
        ensure!(parts.len() > 1 && parts[1].starts_with('/'), "usage");
        volumes.push((File::open(parts[0])?, parts[1], parts.get(2) == Some(&"ro")));
        argv = &argv[2..];
    }
    if argv[0] == "--" {
        argv = &argv[1..];
    }
    right::enter_root()?;
    right::mount_proc()?;
    for (folder, place, is_read_only) in &volumes {
        let mut flags = MsFlags::MS_BIND;
        if *is_read_only {
            flags |= MsFlags::MS_RDONLY;
        }
        let (none, folder) = (
            None::<&str>,
            format!("/proc/self/fd/{}", folder.as_raw_fd()),
        );
        mount(Some(folder.as_str()), *place, none, flags, none)?;
    }
    right::execute(argv)
}
