//! Wrong: maps the group without a word to /proc/self/setgroups. Whoever tries it as root
//! sees it work; the kernel refuses it to the ordinary user for whom it was written (EPERM).

mod right;

use std::fs;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

fn main() {
    right::run(|argv| {
        let (user, group) = (geteuid(), getegid());
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
        right::execute(argv)
    })
}
