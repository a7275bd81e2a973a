//! Shows how far a container of one's own has come: in the eight steps, and in the exercises.
//!
//! It knows no test itself. It asks the suites of the steps what they ask, and puts the
//! program to them as `CONTAINER=PROGRAM cargo test` does, but all suites at once.
//!
//! - [`suites`]: has [`cargo`] build the suites, and finds out what each of them asks.
//! - [`verdicts`]: runs them as our [`children`], and reads what they say.
//! - [`table`]: what came out, a row for each step and each exercise.
//! - [`advice`]: what to read next, and what to type.
//! - [`watch`]: asks again at each save, for one step at a time, and obeys keys ([`events`]).

mod advice;
mod cargo;
mod children;
mod events;
mod suites;
mod table;
mod verdicts;
mod watch;

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::{expect_program, print};
use contract::variables::scaled;

use crate::events::Signals;
use crate::table::Paint;
use crate::verdicts::{Topic, Verdict};

const USAGE: &str = "\
usage: progress PROGRAM
       progress --watch PROGRAM

Asks a container program for all that the eight steps teach, and the exercises,
and shows what it can do and which page of the book to read next. From step 3 on
this takes root.

  progress target/debug/step05-pid
  progress path/to/mine

With --watch, it asks at each save, and only for the first step that does not
pass: when PROGRAM has changed, or, for target/debug/mine, a file in mine/src,
which it then builds. It obeys keys, and so needs a terminal.

The exit status is 0 if all eight steps pass, 1 if not, and 125 if nothing could
be asked. With --watch it is 0 after the key q.";

/// A suite that has not ended by then waits for a program that hangs.
const LESSONS_LIMIT: Duration = Duration::from_secs(9);

/// The time for lessons and exercises together.
const WHOLE_LIMIT: Duration = Duration::from_secs(14);

fn main() -> ExitCode {
    common::run(start)
}

fn start() -> Result<ExitCode> {
    let args: Vec<_> = env::args_os().skip(1).collect();
    match &args[..] {
        [word] if word == "--help" || word == "-h" => print(&format!("{USAGE}\n")),
        [path] if !is_option(path) => show(&whole_path(path)?, &path.to_string_lossy()),
        [word, path] if word == "--watch" && !is_option(path) => {
            watch::watch(&whole_path(path)?, &path.to_string_lossy())
        }
        _ => bail!("expected one program\n{USAGE}"),
    }
}

fn is_option(word: &OsStr) -> bool {
    word.as_bytes().starts_with(b"-")
}

/// The whole path of the program, which counts from where the user stands.
fn whole_path(path: &OsStr) -> Result<PathBuf> {
    path::absolute(path).context("expected a program, and no empty word")
}

/// Asks `program`, which the user calls `shown`, for everything.
fn show(program: &Path, shown: &str) -> Result<ExitCode> {
    expect_program(program, shown)?;
    let paint = Paint::for_terminal();
    let suites = suites::build()?;
    let signals = Signals::catch()?;
    let mut stop = || Ok(signals.status().is_some());
    let ended = || Ok(ExitCode::from(signals.status().unwrap_or_default()));
    let start = Instant::now();
    let lessons = suites::lessons(&suites)?;
    let lessons = verdicts::ask(program, &lessons, scaled(LESSONS_LIMIT), &mut stop)?;
    let Some(lessons) = lessons else {
        return ended();
    };
    print(&table::lessons(&lessons, paint))?;
    let mut exercises = Vec::new();
    // What hangs in a lesson would hang in an exercise, too.
    if !lessons.iter().any(|topic| topic.has(Verdict::NoAnswer)) {
        let left = scaled(WHOLE_LIMIT).saturating_sub(start.elapsed());
        let asked = suites::exercises(&suites)?;
        let Some(asked) = verdicts::ask(program, &asked, left, &mut stop)? else {
            return ended();
        };
        exercises = verdicts::by_exercise(asked);
    }
    print(&table::exercises(&exercises, paint))?;
    print(&advice::advice(program, &lessons, &exercises))?;
    let is_done = lessons.iter().all(Topic::is_passed);
    Ok(ExitCode::from(u8::from(!is_done)))
}
