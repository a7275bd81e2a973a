//! Wrong: the cgroup namespace is made with all the others, and the cgroup is joined after.
//! Its top is the cgroup that one is in when it is made, so inside all see where they are.

use std::env;
use std::os::unix::fs::chroot;
use std::path::Path;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

#[path = "../../step08-cgroup/src/cgroup.rs"]
mod cgroup;
#[path = "../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;

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
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    chroot(env::var("ROOTFS")?.as_str())?;
    env::set_current_dir("/")?;
    let proc = MsFlags::empty();
    mount(Some("proc"), "/proc", Some("proc"), proc, None::<&str>)?;
    let status = Command::new(&argv[1]).args(&argv[2..]).status()?;
    Ok(status.code().unwrap_or(137))
}
