//! Step 3: a hostname of its own.
//!
//! Adds a UTS namespace: what the command calls this machine, only it can see.
//! Still leaks: the name is a copy of the host's until it is set, and all else is shared.
//!
//! Read: namespaces(7), uts_namespaces(7), unshare(2).

mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};

const USAGE: &str = concat!("usage: ", env!("CARGO_PKG_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    command::block_signals()?;
    let mut args = env::args_os().skip(1);
    let word = args.next().unwrap_or_default();
    let argv: Vec<OsString> = args.collect();
    match word.to_str() {
        Some("run") if !argv.is_empty() => run(&argv),
        Some("--help" | "-h") => help(),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Executes the command.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context(MAKE_NAMESPACES)?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]))
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}]"))
}

fn help() -> Result<ExitCode> {
    print(USAGE)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
