//! Tells whether this machine can run each of the eight steps, and what to do where not.
//!
//! What can be tried is tried and not guessed: a child process does what a step does, in
//! namespaces of its own, and ends at once. Nothing changes on this machine.
//!
//! - [`machine`]: what can be read: who we are, the kernel, mounts, settings.
//! - [`attempt`]: what has to be tried, and the child processes that do.
//! - [`facts`]: the first table: what was found, and what to do about it.
//! - [`steps`]: the second table, and what comes next.
//!
//! Read: namespaces(7), user_namespaces(7), capabilities(7), cgroups(7).

mod attempt;
mod facts;
mod machine;
mod steps;
mod table;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};
use common::print;

use crate::facts::Facts;
use crate::steps::Steps;

const USAGE: &str = "\
usage: doctor

Tells whether this machine can run each of the eight steps, and what to do where
it cannot. It changes nothing: it tries things in processes that end at once.

Set ROOTFS as you do for the steps, if your root filesystem is not ./rootfs.
The exit status is 0 if all eight can run as you are now, 1 if not, and 125 if
the doctor itself has failed.";

fn main() -> ExitCode {
    common::run(start)
}

fn start() -> Result<ExitCode> {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words[..] {
        [] => examine(),
        ["--help" | "-h"] => print(&format!("{USAGE}\n")),
        [attempt::WORD, ref words @ ..] => attempt::answer(words),
        _ => bail!("expected no argument\n{USAGE}"),
    }
}

/// Prints both tables, and tells by the exit status whether all is well.
fn examine() -> Result<ExitCode> {
    let facts = Facts::find();
    let steps = Steps::try_all(&facts);
    let (found, can_run, advice) = (facts.table(), steps.table(), steps.advice());
    print(&format!("{found}\n{can_run}\n{advice}"))?;
    Ok(ExitCode::from(u8::from(!steps.all_can_run())))
}
