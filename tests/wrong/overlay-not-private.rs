//! Wrong: has a mount namespace, and takes that for enough. Where `/` is shared, as systemd
//! makes it, the host gets the overlay in the place of its own folder, and keeps it.

use std::os::unix::fs::chroot;
use std::{env, fs};

use anyhow::{Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

mod right;

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    ensure!(argv.len() > 1 && argv[0] == "run", "usage: run COMMAND");
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    let root = fs::canonicalize(env::var("ROOTFS")?)?;
    env::set_current_dir(&root)?;
    let (none, flags) = (None::<&str>, MsFlags::empty());
    mount(Some("tmpfs"), &root, Some("tmpfs"), flags, none)?;
    let [upper, work] = ["upper", "work"].map(|name| root.join(name));
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    let (upper, work) = (upper.display(), work.display());
    let options = format!("lowerdir=.,upperdir={upper},workdir={work}");
    let kind = Some("overlay");
    mount(kind, &root, kind, flags, Some(options.as_str()))?;
    chroot(&root)?;
    env::set_current_dir("/")?;
    right::execute(&argv[1..])
}
