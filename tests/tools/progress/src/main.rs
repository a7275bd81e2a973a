//! Shows how far a container of one's own has come: in the eight steps, and in the exercises.
//!
//! It knows no test itself. It asks the suites of the steps what they ask, and puts the
//! program to them as `CONTAINER=PROGRAM cargo test` does, but all suites at once.
//!
//! - [`suites`]: builds the suites, and finds out what each of them asks.
//! - [`verdicts`]: runs them, and reads what they say.
//! - [`table`]: what came out, a row for each step and each exercise.
//! - [`next`]: what to read, and what to type.

mod next;
mod suites;
mod table;
mod verdicts;

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::{expect_program, print};
use contract::variables::scaled;

use crate::table::Paint;
use crate::verdicts::{Topic, Verdict};

const USAGE: &str = "\
usage: progress PROGRAM

Asks a container program for all that the eight steps teach, and the exercises,
and shows what it can do and which page of the book to read next. From step 3 on
this takes root.

  progress target/debug/step05-pid
  progress path/to/mine

The exit status is 0 if all eight steps pass, 1 if not, and 125 if nothing could
be asked.";

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
        [path] if !path.as_bytes().starts_with(b"-") => show(&whole_path(path)?),
        _ => bail!("expected one program\n{USAGE}"),
    }
}

/// The whole path of the program, which counts from where the user stands.
fn whole_path(path: &OsStr) -> Result<PathBuf> {
    let shown = path.to_string_lossy();
    let path = path::absolute(path).context("expected a program, and no empty word")?;
    expect_program(&path, &shown)?;
    Ok(path)
}

fn show(program: &Path) -> Result<ExitCode> {
    let paint = Paint::for_terminal();
    let suites = suites::build()?;
    let start = Instant::now();
    let lessons = suites::lessons(&suites, program)?;
    let lessons = verdicts::ask(program, &lessons, scaled(LESSONS_LIMIT))?;
    print(&table::lessons(&lessons, paint))?;
    let mut exercises = Vec::new();
    // What hangs in a lesson would hang in an exercise, too.
    if !lessons.iter().any(|topic| topic.has(&Verdict::NoAnswer)) {
        let left = scaled(WHOLE_LIMIT).saturating_sub(start.elapsed());
        let asked = suites::exercises(&suites, program)?;
        exercises = verdicts::by_exercise(verdicts::ask(program, &asked, left)?);
    }
    print(&table::exercises(&exercises, paint))?;
    print(&next::advice(program, &lessons, &exercises))?;
    let is_done = lessons.iter().all(Topic::is_passed);
    Ok(ExitCode::from(u8::from(!is_done)))
}
