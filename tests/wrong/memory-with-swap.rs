//! Wrong: a limit on memory alone. Where the machine has swap, a greedy process goes on there,
//! and all others wait for the disk.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/answers/memory/cgroup.rs"]
#[expect(dead_code, reason = "it writes its own limit")]
mod cgroup;
#[path = "../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;
mod right;

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    let code = match argv.first().map(String::as_str) {
        // After `run --memory`.
        Some("run") if argv.len() > 3 => run(&argv[2..])?,
        Some("child") => child(&argv[1..])?,
        _ => bail!("usage: run --memory 64M COMMAND [ARG...]"),
    };
    exit(code)
}

fn run(argv: &[String]) -> Result<i32> {
    let mut cgroups = cgroup::Cgroups::new()?;
    let cgroup = cgroups.with_controller("memory")?;
    fs::write(cgroup.join("memory.max"), &argv[0])
        .or_else(|_| fs::write(cgroup.join("memory.limit_in_bytes"), &argv[0]))?;
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let mut child = Command::new("/proc/self/exe");
    let status = child.arg("child").arg(&cgroup).args(&argv[1..]).status()?;
    Ok(status.code().unwrap_or(137))
}

fn child(argv: &[String]) -> Result<i32> {
    cgroup::join(Path::new(&argv[0]))?;
    right::keep_mounts_private()?;
    right::enter_root()?;
    let status = Command::new(&argv[1]).args(&argv[2..]).status()?;
    Ok(status.code().unwrap_or(137))
}
