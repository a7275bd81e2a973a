//! Wrong: asks for MS_BIND and MS_RDONLY in one call. mount(2) ignores the second and says
//! nothing; the volume is there, and can be written to.

use std::env;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::chroot;
use std::process::{Command, exit};

use anyhow::{Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("run") if args.len() > 1 => run(&args[1..]),
        Some("child") if args.len() > 1 => child(&args[1..]),
        _ => bail!("usage: run [--volume HOST:CONTAINER[:ro]]... COMMAND [ARG...]"),
    }
}

fn run(args: &[String]) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let mut child = Command::new("/proc/self/exe")
        .arg("child")
        .args(args)
        .spawn()?;
    exit(child.wait()?.code().unwrap_or(125))
}

fn child(mut argv: &[String]) -> Result<()> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
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
    chroot(env::var("ROOTFS")?)?;
    env::set_current_dir("/")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)?;
    for (folder, place, is_read_only) in &volumes {
        let mut flags = MsFlags::MS_BIND;
        if *is_read_only {
            flags |= MsFlags::MS_RDONLY;
        }
        let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
        mount(Some(folder.as_str()), *place, none, flags, none)?;
    }
    let status = Command::new(&argv[0]).args(&argv[1..]).status()?;
    exit(status.code().unwrap_or(125))
}
