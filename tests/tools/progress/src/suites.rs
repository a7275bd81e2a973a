//! The suites of the steps: test programs that cargo builds, and that list what they ask.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use course::STEPS;

use crate::cargo;

/// The tests of a step.
pub struct Suite {
    /// The step: `step05-pid`.
    pub step: &'static str,
    /// Their program.
    path: PathBuf,
}

/// What a suite is to ask: tests, by their names.
pub struct Question<'a> {
    pub suite: &'a Suite,
    pub names: Vec<String>,
}

impl Suite {
    /// The suite's program, to be started for a test of `program`.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command
            .current_dir(top())
            .stdin(Stdio::null())
            .env("CONTAINER", program)
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// The names of the tests in a module. They are the same for every program, also for the
    /// suite's own, which is one that is there.
    fn list(&self, module: &str) -> Result<Vec<String>> {
        let output = self.command(&self.path).args(["--list", module]).output();
        let output = output.with_context(|| format!("list the tests of {}", self.step))?;
        let list = String::from_utf8_lossy(&output.stdout);
        let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
        let names = names.filter(|name| name.starts_with(module));
        Ok(names.map(str::to_owned).collect())
    }
}

/// What each step teaches: its suite has all lessons of the steps before it, too.
pub fn lessons(suites: &[Suite]) -> Result<Vec<Question<'_>>> {
    let mut known: Vec<String> = Vec::new();
    let questions = suites.iter().map(|suite| {
        let mut names = suite.list("lesson::")?;
        names.retain(|name| !known.contains(name));
        known.extend_from_slice(&names);
        Ok(Question { suite, names })
    });
    questions.collect()
}

/// The exercises of each step.
pub fn exercises(suites: &[Suite]) -> Result<Vec<Question<'_>>> {
    let questions = suites.iter().map(|suite| {
        let names = suite.list("exercise::")?;
        Ok(Question { suite, names })
    });
    questions.collect()
}

/// Builds the suites of all steps. If it takes long, we tell.
pub fn build() -> Result<Vec<Suite>> {
    let start = Instant::now();
    let mut has_told = false;
    let mut tell = || {
        if !has_told && start.elapsed() > Duration::from_secs(1) {
            writeln!(io::stderr(), "{BUILDING}").ok();
            has_told = true;
        }
        Ok(false)
    };
    let built = cargo::build("test", &["test", "--no-run", "--test", "step0*"], &mut tell)?;
    let mut built = built.context("the tests cannot be built: `cargo test --no-run` fails")?;
    let suites = STEPS.into_iter().filter_map(|step| {
        let path = built.remove(&step.replace('-', "_"))?;
        Some(Suite { step, path })
    });
    let suites: Vec<Suite> = suites.collect();
    ensure!(!suites.is_empty(), "cargo has built no tests of any step");
    Ok(suites)
}

const BUILDING: &str = "Building the tests: the first time, this takes some minutes.";

/// The folder of the repository.
pub fn top() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    top.canonicalize().unwrap_or(top)
}
