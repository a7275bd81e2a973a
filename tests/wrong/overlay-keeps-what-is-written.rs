//! Wrong: keeps the upper folder on disk, beside the image, and always the same one. The
//! image stays as it was, but the next container sees what the one before has written.

use std::os::unix::fs::chroot;
use std::process::{Command, exit};
use std::{env, fs};

use anyhow::{Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    ensure!(argv.len() > 1 && argv[0] == "run", "usage: run COMMAND");
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let root = env::var("ROOTFS")?;
    let [upper, work] = ["upper", "work"].map(|name| format!("{root}.{name}"));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    let options = format!("lowerdir={root},upperdir={upper},workdir={work}");
    let (kind, flags) = (Some("overlay"), MsFlags::empty());
    mount(kind, root.as_str(), kind, flags, Some(options.as_str()))?;
    chroot(&root)?;
    env::set_current_dir("/")?;
    let status = Command::new(&argv[1]).args(&argv[2..]).status()?;
    exit(status.code().unwrap_or(125))
}
