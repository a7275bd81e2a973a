//! Wrong: joins the cgroup before it does anything else. That is soon, but it was born in
//! another cgroup all the same, and had to wait until the kernel could move it.

mod right;

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/src/cgroup.rs"]
mod cgroup;
#[path = "../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;

fn main() {
    right::run_and_child(run, |argv| {
        // Instead: clone3 with CLONE_INTO_CGROUP, in `run`.
        cgroup::join(Path::new(&argv[0]))?;
        right::enter_root_with_proc()?;
        right::execute(&argv[1..])
    })
}

fn run(argv: &[String]) -> Result<i32> {
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let cgroup = cgroup::Cgroup::with_cap(20)?;
    let path = fs::canonicalize(&cgroup.path)?;
    let argv = [&[path.display().to_string()], argv].concat();
    Ok(right::exit_code(right::start_child(&argv)?.wait()?))
}
