//! Wrong: binds the new root while `/` is still shared, and makes it private only because
//! pivot_root(2) would say EINVAL. By then the host has the mount, too.

use std::process::{Command, exit};
use std::{env, path::Path};

use anyhow::{Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{pivot_root, sethostname};

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    match argv.first().map(String::as_str) {
        Some("run") if argv.len() > 1 => run(&argv[1..]),
        Some("child") if argv.len() > 1 => child(&argv[1..]),
        _ => bail!("usage: run COMMAND [ARG...]"),
    }
}

fn run(argv: &[String]) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let mut child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .spawn()?;
    exit(child.wait()?.code().unwrap_or(125))
}

fn child(argv: &[String]) -> Result<()> {
    sethostname("container")?;
    let none = None::<&str>;
    let root = env::var("ROOTFS")?;
    mount(
        Some(Path::new(&root)),
        Path::new(&root),
        none,
        MsFlags::MS_BIND,
        none,
    )?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    env::set_current_dir(&root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    env::set_current_dir("/")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)?;
    let command = Command::new(&argv[0]).args(&argv[1..]).status()?;
    exit(command.code().unwrap_or(125))
}
