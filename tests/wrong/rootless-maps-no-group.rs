//! Wrong: maps the user and forgets the group. `id -u` says 0 and the hostname can be set,
//! but the group is nobody's, 65534, and nothing inside can take another.

mod right;

use std::fs;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

fn main() {
    right::run(|argv| {
        let user = geteuid();
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        right::execute(argv)
    })
}
