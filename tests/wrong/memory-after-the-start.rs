//! Wrong: the limit comes when the container is up, and the process that moves into it is the
//! one whose PID is known. The command has been forked by then, and stays outside.

mod right;

use std::fs;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/answers/memory/cgroup.rs"]
#[expect(dead_code, reason = "it moves a process from outside")]
mod cgroup;
#[path = "../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;

fn main() {
    right::run_and_child(run, |argv| {
        right::enter_root_with_proc()?;
        right::execute(argv)
    })
}

fn run(mut argv: &[String]) -> Result<i32> {
    right::take_option(&mut argv, "--memory");
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let mut child = right::start_child(argv)?;
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    while child.try_wait()?.is_none() && fs::read_to_string(&children)?.is_empty() {}
    let mut cgroups = cgroup::Cgroups::new()?;
    cgroups.limit_memory(64 << 20)?;
    let procs = cgroups.paths[0].join("cgroup.procs");
    fs::write(procs, child.id().to_string())?;
    Ok(right::exit_code(child.wait()?))
}
