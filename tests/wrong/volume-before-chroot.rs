//! Wrong: mounts on ROOTFS + CONTAINER, and then calls chroot. A symbolic link in the root
//! filesystem that begins with `/` then leads to the host's files: not into the container.

use std::os::unix::fs::chroot;
use std::process::{Command, exit};
use std::{env, path::Path};

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
    let root = env::var("ROOTFS")?;
    while argv[0] == "--volume" {
        mount_volume(&root, &argv[1])?;
        argv = &argv[2..];
    }
    if argv[0] == "--" {
        argv = &argv[1..];
    }
    chroot(&root)?;
    env::set_current_dir("/")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)?;
    let status = Command::new(&argv[0]).args(&argv[1..]).status()?;
    exit(status.code().unwrap_or(125))
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
