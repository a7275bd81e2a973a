//! What a container still shares with the host.
//!
//! `leaks COMMAND...` starts the container with a probe in it: a shell script that tells
//! what it sees, and then waits. Meanwhile leaks looks at the probe's process from outside,
//! in the host's /proc, and compares it with itself.
//!
//! Read: namespaces(7), proc(5), cgroups(7), capabilities(7).

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use common::{print, shortened};
use lexopt::Parser;
use lexopt::prelude::*;

use crate::container::{Container, Heard, code};
use crate::rows::Table;

mod container;
mod process;
mod rows;

const USAGE: &str = "\
usage: leaks [OPTION]... COMMAND [ARG]...

Starts a container with a probe in it, and shows what it shares with the host.
COMMAND is what starts a container, up to where the program to execute in it
would stand. The container needs a shell, `sh`, and no more.

  leaks target/debug/step03-uts run
  leaks bwrap --unshare-all --bind rootfs / --proc /proc
  leaks docker run --rm -i debian

  --plain         a line for each row, with tabs: name, answer, evidence
  --seconds N     wait N seconds for the probe, instead of 60
  --stdin         COMMAND starts a shell by itself: give it the probe to read";

/// With these, a line of the table has 80 columns.
const EVIDENCE_WIDTH: usize = 54;

struct Options {
    plain: bool,
    stdin: bool,
    patience: Duration,
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    common::run(start)
}

fn start() -> Result<ExitCode> {
    let Some(options) = parse()? else {
        return print(&format!("{USAGE}\n"));
    };
    let mut container = match Container::start(&options.command, options.stdin) {
        Ok(container) => container,
        Err(error) => return not_executed(&options, &error),
    };
    let heard = container.listen(options.patience)?;
    // While the probe waits, its process is there to be looked at.
    let rows = rows::compare(container.find_probe(), container.told.clone());
    let status = container.end(&heard)?;
    match heard {
        Heard::All => print(&text(&rows, options.plain)),
        Heard::Signal(signal) => Ok(ExitCode::from(128 + signal as u8)),
        Heard::TooLittle => bail!(
            "the probe was not heard within {} seconds (--seconds N waits longer)",
            options.patience.as_secs()
        ),
        Heard::Ended => no_probe(&options, status),
    }
}

/// Returns nothing if it is help that is wanted.
fn parse() -> Result<Option<Options>> {
    let mut args = Parser::from_env();
    let mut options = Options {
        plain: false,
        stdin: false,
        patience: Duration::from_secs(60),
        command: Vec::new(),
    };
    while options.command.is_empty() {
        match args.next()? {
            Some(Short('h') | Long("help")) => return Ok(None),
            Some(Long("plain")) => options.plain = true,
            Some(Long("stdin")) => options.stdin = true,
            Some(Long("seconds")) => {
                // More than these no clock can be set to.
                let seconds = args.value().and_then(|value| value.parse::<u32>());
                let why = || format!("--seconds takes a whole number, up to {}", u32::MAX);
                options.patience = Duration::from_secs(seconds.ok().with_context(why)?.into());
            }
            Some(Value(program)) => {
                options.command.push(program);
                options.command.extend(args.raw_args()?);
            }
            Some(Short(letter)) => bail!("unknown option -{letter}\n{USAGE}"),
            Some(Long(name)) => bail!("unknown option --{name}\n{USAGE}"),
            None => bail!("expected a command that starts a container\n{USAGE}"),
        }
    }
    Ok(Some(options))
}

/// Ends as a shell does: with 127 if there is no such command, and 126 if it is none.
fn not_executed(options: &Options, error: &io::Error) -> Result<ExitCode> {
    let command = options.command[0].to_string_lossy();
    writeln!(io::stderr(), "error: execute {command}: {error}").ok();
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    Ok(ExitCode::from(if is_missing { 127 } else { 126 }))
}

/// The command has ended without a word from the probe.
///
/// If it calls that a success, as step 1 does, then so do we. Else its own words are on
/// standard error already, and its exit status becomes ours.
fn no_probe(options: &Options, status: ExitStatus) -> Result<ExitCode> {
    let command = options.command.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    if !status.success() {
        let code = code(status);
        let why = format!("ended with exit status {code}, and had not started the probe");
        writeln!(io::stderr(), "error: `{command}` {why}").ok();
        return Ok(ExitCode::from(code));
    }
    if options.plain {
        return print(&text(&rows::nothing_ran(), true));
    }
    print(&format!(
        "`{command}` ended well, but never started the probe.\n\
         Nothing ran, so nothing is shared: there is no container yet.\n"
    ))
}

fn text(rows: &Table, plain: bool) -> String {
    let mut text = String::new();
    if !plain {
        text += "                 answer   evidence\n";
    }
    for (name, answer, evidence) in rows {
        // A hostname may hold anything, and so may a path.
        let evidence = evidence.replace(char::is_control, "?");
        let line = if plain {
            format!("{name}\t{answer}\t{evidence}")
        } else {
            let evidence = shortened(&evidence, EVIDENCE_WIDTH);
            format!("{name:15}  {answer:7}  {evidence}")
        };
        text += line.trim_end();
        text += "\n";
    }
    text
}
