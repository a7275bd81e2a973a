//! The user namespace: root inside, and who started us outside.
//!
//! Read: user_namespaces(7), setgroups(2).

use std::fs::File;

use anyhow::{Context, Result};
use nix::unistd::{Pid, getegid, geteuid, write};

/// Makes user and group 0 of `child`'s user namespace stand for ours. A process in there
/// could do so too, but would have to ask who it was before.
///
/// To map any others takes root: real runtimes call newuidmap(1), which has the setuid bit.
pub fn map_ids(child: Pid) -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    // A file may be closed to a group and open to all others. Who could leave that group
    // would get in, so an ordinary user may map a group only if setgroups(2) is forbidden.
    write_once(&format!("/proc/{child}/setgroups"), "deny")?;
    // The first ID inside, the first one outside, and how many there are.
    write_once(&format!("/proc/{child}/uid_map"), &format!("0 {user} 1"))?;
    write_once(&format!("/proc/{child}/gid_map"), &format!("0 {group} 1"))
}

/// Writes all of `text` in one write(2): the kernel takes no mapping in two parts.
fn write_once(path: &str, text: &str) -> Result<()> {
    let what = || format!("write {text} to {path}");
    // Where a user may not read the program, a process that executes it is not theirs in /proc.
    let file = File::options().write(true).open(path).with_context(|| {
        format!("open {path} (takes a /proc, and a program that you may read: mode 755)")
    })?;
    write(&file, text.as_bytes()).with_context(what)?;
    Ok(())
}
