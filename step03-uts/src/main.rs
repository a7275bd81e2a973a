//! Step 3: a hostname of its own.
//!
//! Adds a UTS namespace: what the command calls this machine, only it can see.
//! Still leaks: the hostname is a copy of the host's until somebody sets it, and
//! all else is shared.
//!
//! Read: namespaces(7), uts_namespaces(7), unshare(2).

mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

const USAGE: &str = concat!("usage: ", env!("CARGO_PKG_NAME"), " run COMMAND [ARG...]");

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        if error.downcast_ref() == Some(&Errno::EPERM) {
            writeln!(io::stderr(), "{}", ways_to_root()).ok();
        }
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

/// Executes the command in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context("unshare the UTS namespace")?;
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

/// What to do about EPERM: a new namespace takes CAP_SYS_ADMIN (capabilities(7)).
fn ways_to_root() -> String {
    let step = env!("CARGO_PKG_NAME");
    format!(
        "This takes root (CAP_SYS_ADMIN). After `cargo build`, be root yourself:
    sudo target/debug/{step} run COMMAND
or let cargo be root for this one program:
    CARGO_TARGET_<TRIPLE>_RUNNER='sudo -E' cargo run -p {step} -- run COMMAND
or, in steps 3 to 7, be root in a user namespace only:
    CARGO_TARGET_<TRIPLE>_RUNNER='unshare -r' cargo run -p {step} -- run COMMAND
<TRIPLE> is the host that `rustc -vV` names, in capitals, with _ for each -."
    )
}
