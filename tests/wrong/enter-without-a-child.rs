//! Wrong: becomes the command instead of starting it. setns(2) moves only the children of
//! its caller to another PID namespace, so the command keeps its PID on the host.

mod right;

use std::fs::File;
use std::os::unix::fs::chroot;

use anyhow::ensure;
use nix::unistd::fchdir;

fn main() {
    right::main(|args| {
        ensure!(args.len() > 1, "usage: PID COMMAND [ARG...]");
        let root = File::open(format!("/proc/{}/root", args[0]))?;
        right::join_namespaces(&args[0])?;
        fchdir(root)?;
        chroot(".")?;
        right::become_command(&args[1..])
    })
}
