//! An answer to the exercise `named`: an ID for each container, and a name if you like.
//!
//! Adds to step 4: a random ID that `run` draws and prints, and `--name`. The hostname is
//! the name, or the beginning of the ID.
//!
//! Read: random(4), sethostname(2).

#[path = "../src/command.rs"]
mod command;
#[path = "named/id.rs"]
mod id;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

const USAGE: &str = concat!(
    "usage: ",
    env!("CARGO_BIN_NAME"),
    " run [--name NAME] [--] COMMAND [ARG...]"
);
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

/// In the environment, this tells `child` the hostname.
const HOSTNAME: &str = "HOSTNAME_TO_SET";

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    command::block_signals()?;
    let args: Vec<OsString> = env::args_os().collect();
    match args.get(1).and_then(|word| word.to_str()) {
        Some("run") => {
            let (name, argv) = parse(&args[2..])?;
            run(name, argv)
        }
        Some("child") if args.len() > 2 => child(&args[2..]),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Takes `--name NAME` from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(mut argv: &[OsString]) -> Result<(Option<&OsStr>, &[OsString])> {
    let mut name = None;
    while let [option, rest @ ..] = argv {
        match (option.as_bytes(), rest) {
            (b"--name", [value, rest @ ..]) if (1..=64).contains(&value.len()) => {
                name = Some(value.as_os_str());
                argv = rest;
            }
            (b"--name", _) => {
                bail!("expected a name, of at most 64 bytes, after --name\n{USAGE}")
            }
            (b"--", _) => {
                argv = rest;
                break;
            }
            ([b'-', ..], _) => bail!("there is no option {}\n{USAGE}", option.to_string_lossy()),
            _ => break,
        }
    }
    if argv.is_empty() {
        bail!("expected `run` and a command\n{USAGE}");
    }
    Ok((name, argv))
}

/// Starts `child` in namespaces of its own.
fn run(name: Option<&OsStr>, argv: &[OsString]) -> Result<ExitCode> {
    let id = id::draw_id()?;
    print(&id)?;
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context(MAKE_NAMESPACES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .env(
            HOSTNAME,
            name.unwrap_or(OsStr::new(&id[..id::SHORT_ID_LENGTH])),
        )
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
    command::execute(
        Command::new(&argv[0])
            .args(&argv[1..])
            .env_remove(MARK)
            .env_remove(HOSTNAME),
    )
}

/// The new UTS namespace began as a copy of the host's. The kernel has room for a name of
/// 64 bytes, and answers EINVAL to a longer one.
fn set_hostname() -> Result<()> {
    let name = env::var_os(HOSTNAME).context("find out which hostname to set")?;
    sethostname(&name).with_context(|| format!("set the hostname {}", name.to_string_lossy()))
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
