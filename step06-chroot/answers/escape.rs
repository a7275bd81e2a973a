//! An answer to the exercise `escape`: a way out of a chroot, for root.
//!
//! In a container of step 6 this executes a command outside of it. After pivot_root(2)
//! there is no outside, and it says so.
//!
//! Read: chroot(2), path_resolution(7).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, chroot};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: escape COMMAND [ARG...]";

/// Any folder below `/` will do.
const BELOW: &str = "/usr";

/// Deeper than any path is long. At the top, `..` is where one is.
const MAX_DEPTH: usize = 2048;

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    let argv: Vec<OsString> = env::args_os().skip(1).collect();
    match argv.first() {
        None => bail!("expected a command\n{USAGE}"),
        Some(word) if word == "--help" || word == "-h" => help(),
        Some(_) => escape(&argv),
    }
}

/// Becomes the command, outside.
fn escape(argv: &[OsString]) -> Result<ExitCode> {
    let before = root()?;
    climb_out()?;
    if root()? == before {
        bail!("there is no way out: `..` ends at the root that we had");
    }
    let error = Command::new(&argv[0]).args(&argv[1..]).exec();
    writeln!(
        io::stderr(),
        "error: execute {}: {error}",
        argv[0].to_string_lossy()
    )
    .ok();
    let is_missing = error.kind() == ErrorKind::NotFound;
    Ok(ExitCode::from(if is_missing { 127 } else { 126 }))
}

/// Makes the topmost directory our `/`.
///
/// What stops `..` is our own root directory, and nothing else. Who starts outside of it
/// never meets it on the way up.
fn climb_out() -> Result<()> {
    env::set_current_dir("/").context("change directory to /")?;
    // A process has one root directory. A second chroot(2) does not nest in the first, it
    // takes its place; and it leaves the working directory where that was: outside now.
    chroot(BELOW).with_context(|| format!("chroot to {BELOW}"))?;
    for _ in 0..MAX_DEPTH {
        env::set_current_dir("..").context("change directory to ..")?;
    }
    chroot(".").context("chroot to the topmost directory")
}

/// What tells a root directory from others: its device and its inode.
fn root() -> Result<(u64, u64)> {
    let root = fs::metadata("/").context("look at /")?;
    Ok((root.dev(), root.ino()))
}

fn help() -> Result<ExitCode> {
    writeln!(io::stdout(), "{USAGE}").context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
