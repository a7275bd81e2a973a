//! An answer to the exercise `clean-env`: the command gets an environment of its own.
//!
//! Adds to step 2: PATH, HOME and TERM, and what `--env` asks for, are all that the
//! command is given.
//!
//! Read: environ(7), execve(2).

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: clean-env run [--env KEY=VALUE]... [--] COMMAND [ARG...]";

/// Where to look for programs, as Debian and Docker have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    match word.to_str() {
        Some("run") => {
            let (variables, argv) = parse(args)?;
            run(variables, &argv)
        }
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// What `--env KEY=VALUE` asks for.
type Variable = (OsString, OsString);

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(mut args: impl Iterator<Item = OsString>) -> Result<(Vec<Variable>, Vec<OsString>)> {
    let mut variables = Vec::new();
    let mut first = args.next();
    while first.as_deref() == Some(OsStr::new("--env")) {
        variables.push(split(&args.next().unwrap_or_default())?);
        first = args.next();
    }
    match first {
        Some(word) if word == "--" => first = args.next(),
        Some(word) if word.as_bytes().starts_with(b"-") => {
            bail!("there is no option {}\n{USAGE}", word.to_string_lossy())
        }
        _ => {}
    }
    let argv: Vec<OsString> = first.into_iter().chain(args).collect();
    if argv.is_empty() {
        bail!("expected `run` and a command\n{USAGE}");
    }
    Ok((variables, argv))
}

/// Splits KEY=VALUE at its first `=`.
fn split(variable: &OsStr) -> Result<Variable> {
    let bytes = variable.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(end) if end > 0 => Ok((
            OsStr::from_bytes(&bytes[..end]).to_owned(),
            OsStr::from_bytes(&bytes[end + 1..]).to_owned(),
        )),
        _ => bail!("expected KEY=VALUE after --env\n{USAGE}"),
    }
}

/// Executes the command in an environment that owes nothing to ours.
fn run(variables: Vec<Variable>, argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    let terminal = env::var_os("TERM").unwrap_or_else(|| "dumb".into());
    // fork(2) copies the environment. It is execve(2) that can replace it: its third
    // argument is all that the new program finds.
    command::execute(
        Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("TERM", terminal)
            .envs(variables),
    )
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
