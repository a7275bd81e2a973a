//! Wrong: another user and another group, but root's other groups stay, and with them the
//! right to what belongs to `disk` or `shadow`.

use anyhow::{Result, bail};
use nix::sched::CloneFlags;
use nix::unistd::{Gid, Uid, setgid, setuid};

mod right;

fn main() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    right::start(flags, child)
}

fn child(argv: &[String]) -> Result<()> {
    right::keep_mounts_private()?;
    right::enter_root()?;
    right::mount_proc()?;
    // After `--user UID:GID`.
    let Some((uid, gid)) = argv[1].split_once(':') else {
        bail!("usage: run --user UID:GID COMMAND [ARG...]");
    };
    setgid(Gid::from_raw(gid.parse()?))?;
    setuid(Uid::from_raw(uid.parse()?))?;
    right::execute(&argv[2..])
}
