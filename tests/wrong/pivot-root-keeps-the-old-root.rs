//! Wrong: puts the old root into a folder of the new one, and leaves it mounted there. The
//! command sees another `/`, and all of the host's files in /tmp.

use std::process::{Command, exit};
use std::{env, path::Path};

use anyhow::{Result, bail};
use nix::mount::{MsFlags, mount};
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
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let root = env::var("ROOTFS")?;
    mount(
        Some(Path::new(&root)),
        Path::new(&root),
        none,
        MsFlags::MS_BIND,
        none,
    )?;
    env::set_current_dir(&root)?;
    pivot_root(".", "tmp")?;
    env::set_current_dir("/")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)?;
    let command = Command::new(&argv[0]).args(&argv[1..]).status()?;
    exit(command.code().unwrap_or(125))
}
