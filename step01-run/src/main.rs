//! Step 1: say what would run.
//!
//! Adds the word `run`, as in `docker run`, and reads the command that follows it.
//! Nothing is executed yet.
//!
//! Read: execve(2), for what a command line is to the kernel.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = concat!("usage: ", env!("CARGO_PKG_NAME"), " run COMMAND [ARG...]");

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    let args: Vec<OsString> = env::args_os().collect();
    match args.get(1).and_then(|word| word.to_str()) {
        Some("run") if args.len() > 2 => run(&args[2..]),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Says what would run.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    Ok(ExitCode::SUCCESS)
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}]"))
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
