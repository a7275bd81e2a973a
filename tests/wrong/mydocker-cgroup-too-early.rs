//! Wrong: the cgroup namespace is made with all the others, and the cgroup is joined after.
//! Its top is the cgroup that one is in when it is made, so inside all see where they are.

use std::env;
use std::path::Path;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/src/cgroup.rs"]
mod cgroup;
#[path = "../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;
mod right;

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    let code = match argv.first().map(String::as_str) {
        Some("run") if argv.len() > 1 => run(&argv[1..])?,
        Some("child") => child(&argv[1..])?,
        _ => bail!("usage: run COMMAND [ARG...]"),
    };
    exit(code)
}

fn run(argv: &[String]) -> Result<i32> {
    let cgroup = cgroup::Cgroup::with_cap(20)?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let mut child = Command::new("/proc/self/exe");
    let status = child.arg("child").arg(&cgroup.path).args(argv).status()?;
    Ok(status.code().unwrap_or(137))
}

fn child(argv: &[String]) -> Result<i32> {
    cgroup::join(Path::new(&argv[0]))?;
    right::keep_mounts_private()?;
    right::enter_root()?;
    right::mount_proc()?;
    let status = Command::new(&argv[1]).args(&argv[2..]).status()?;
    Ok(status.code().unwrap_or(137))
}
