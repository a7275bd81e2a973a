//! Wrong: keeps the upper folder on disk, beside the image, and always the same one. The
//! image stays as it was, but the next container sees what the one before has written.

use std::{env, fs};

use anyhow::{Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

mod right;

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    ensure!(argv.len() > 1 && argv[0] == "run", "usage: run COMMAND");
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    right::keep_mounts_private()?;
    let root = env::var("ROOTFS")?;
    let [upper, work] = ["upper", "work"].map(|name| format!("{root}.{name}"));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    let options = format!("lowerdir={root},upperdir={upper},workdir={work}");
    let (kind, flags) = (Some("overlay"), MsFlags::empty());
    mount(kind, root.as_str(), kind, flags, Some(options.as_str()))?;
    right::enter_root()?;
    right::execute(&argv[1..])
}
