//! Wrong: becomes the command instead of starting it. setns(2) moves only the children of
//! its caller to another PID namespace, so the command keeps its PID on the host.

use std::fs::File;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

use anyhow::{Result, ensure};
use nix::sched::{CloneFlags, setns};
use nix::unistd::fchdir;

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    ensure!(argv.len() > 1, "usage: PID COMMAND [ARG...]");
    let root = File::open(format!("/proc/{}/root", argv[0]))?;
    let kinds = ["cgroup", "ipc", "net", "pid", "uts", "mnt"].iter();
    let files: io::Result<Vec<File>> = kinds
        .map(|kind| File::open(format!("/proc/{}/ns/{kind}", argv[0])))
        .collect();
    for file in files? {
        setns(file, CloneFlags::empty())?;
    }
    fchdir(root)?;
    chroot(".")?;
    Err(Command::new(&argv[1]).args(&argv[2..]).exec().into())
}
