//! Wrong: the cgroup namespace is made with all the others, and the cgroup is joined after.
//! Its top is the cgroup that one is in when it is made, so inside all see where they are.

mod right;

use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/src/cgroup.rs"]
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

fn run(argv: &[String]) -> Result<i32> {
    let cgroup = cgroup::Cgroup::with_cap(20)?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let path = cgroup.path.display().to_string();
    let mut child = right::start_child(&[&[path], argv].concat())?;
    Ok(right::exit_code(child.wait()?))
}
