//! Wrong: the limit comes when the container is up, and the process that moves into it is the
//! one whose PID is known. The command has been forked by then, and stays outside.

use std::env;
use std::fs;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/answers/memory/cgroup.rs"]
#[expect(dead_code, reason = "it moves a process from outside")]
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
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let mut child = Command::new("/proc/self/exe")
        .arg("child")
        .args(&argv[1..])
        .spawn()?;
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    while fs::read_to_string(&children)?.is_empty() {}
    let mut cgroups = cgroup::Cgroups::new()?;
    cgroups.limit_memory(64 << 20)?;
    let procs = cgroups.paths[0].join("cgroup.procs");
    fs::write(procs, child.id().to_string())?;
    Ok(child.wait()?.code().unwrap_or(137))
}

fn child(argv: &[String]) -> Result<i32> {
    right::keep_mounts_private()?;
    right::enter_root()?;
    let status = Command::new(&argv[0]).args(&argv[1..]).status()?;
    Ok(status.code().unwrap_or(137))
}
