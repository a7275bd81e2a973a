//! Wrong: a limit on memory alone. Where the machine has swap, a greedy process goes on there,
//! and all others wait for the disk.

mod right;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/answers/memory/cgroup.rs"]
#[expect(dead_code, reason = "it writes its own limit")]
mod cgroup;
#[path = "../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;

fn main() {
    right::run_and_child(run, |argv| {
        cgroup::join(Path::new(&argv[0]))?;
        right::enter_root_with_proc()?;
        right::execute(&argv[1..])
    })
}

fn run(mut argv: &[String]) -> Result<i32> {
    let limit = right::take_option(&mut argv, "--memory").context("find the limit")?;
    let mut cgroups = cgroup::Cgroups::new()?;
    let cgroup = cgroups.with_controller("memory")?;
    fs::write(cgroup.join("memory.max"), limit)
        .or_else(|_| fs::write(cgroup.join("memory.limit_in_bytes"), limit))?;
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let cgroup = cgroup.display().to_string();
    let mut child = right::start_child(&[&[cgroup], argv].concat())?;
    Ok(right::exit_code(child.wait()?))
}
