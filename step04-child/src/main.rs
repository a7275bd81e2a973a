//! Step 4: set the hostname before the command starts.
//!
//! Adds `child`, a second start of this same program: it sets things up inside the
//! new namespace, and then starts the command.
//! Still leaks: the command sees the host's processes, under the host's numbers.
//!
//! Read: sethostname(2), proc_pid_exe(5).

mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

const USAGE: &str = concat!("usage: ", env!("CARGO_PKG_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

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
        Some("child") if !argv.is_empty() => child(&argv),
        Some("--help" | "-h") => help(),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Starts `child` in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context(MAKE_NAMESPACES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}

/// Sets the container up from within, and executes the command.
fn child(argv: &[OsString]) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start `child`: by hand, it would change the host\n{USAGE}");
    }
    announce("Running in child", argv)?;
    set_hostname()?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]).env_remove(MARK))
}

/// The new UTS namespace began as a copy of the host's.
fn set_hostname() -> Result<()> {
    sethostname("container").context("set the hostname")
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
