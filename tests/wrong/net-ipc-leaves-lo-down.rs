//! Wrong: the network namespace is there, and that is all. `lo` begins down, and a program
//! that talks to itself, as many do, finds the network unreachable.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<ExitCode> {
    let argv: Vec<_> = env::args_os().skip(2).collect();
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC)?;
    let status = Command::new(&argv[0]).args(&argv[1..]).status()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(125))?))
}
