//! Wrong: after chroot it changes directory to the new root, as step 6 says one should. So
//! it is inside again, and `..` stops there.

use std::env;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, ensure};

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    ensure!(!argv.is_empty(), "usage: COMMAND [ARG...]");
    chroot("/usr")?;
    env::set_current_dir("/")?;
    for _ in 0..100 {
        env::set_current_dir("..")?;
    }
    chroot(".")?;
    Err(Command::new(&argv[0]).args(&argv[1..]).exec().into())
}
