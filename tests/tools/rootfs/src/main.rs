//! `cargo run --bin rootfs`: the command line of what [`rootfs`] does.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use nix::sys::signal::SigSet;

const USAGE: &str = "\
usage: rootfs [DIR] [--fresh] [--add PROGRAM]...

Makes a root filesystem in DIR, or in rootfs. One that is there is kept; if it lacks
device files, since it was made without root, root adds them.

  --fresh         make it anew
  --add PROGRAM   take PROGRAM too (a name or a path), with what it needs";

fn main() -> ExitCode {
    common::run(start)
}

fn start() -> Result<ExitCode> {
    let mut dir = None;
    let mut fresh = false;
    let mut programs = Vec::new();
    let mut args = env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return common::print(&format!("{USAGE}\n")),
            Some("--fresh") => fresh = true,
            Some("--add") => programs.push(args.next().context(USAGE)?),
            Some("") => bail!("the name of the folder is empty\n{USAGE}"),
            Some(option) if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
            _ if dir.is_none() => dir = Some(PathBuf::from(arg)),
            _ => bail!("more than one DIR\n{USAGE}"),
        }
    }
    // Whoever presses Ctrl-C gets all or nothing: this takes a second or two.
    SigSet::all().thread_block().context("block signals")?;
    let dir = dir.unwrap_or_else(|| "rootfs".into());
    common::print(&format!("{}\n", rootfs::provide(&dir, fresh, &programs)?))
}
