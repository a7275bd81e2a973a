//! Wrong: maps the user and forgets the group. `id -u` says 0 and the hostname can be set,
//! but the group is nobody's, 65534, and nothing inside can take another.

use std::{env, fs};

use anyhow::{Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

mod right;

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    ensure!(argv.len() > 1 && argv[0] == "run", "usage: run COMMAND");
    let user = geteuid();
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    right::execute(&argv[1..])
}
