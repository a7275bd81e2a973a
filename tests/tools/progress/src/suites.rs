//! The suites of the steps: test programs that cargo builds, and that list what they ask.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::cargo::{self, Built};

/// The tests of a step.
pub struct Suite {
    /// The step: `step05-pid`.
    pub step: String,
    /// Their program.
    path: PathBuf,
}

/// What is asked of a suite.
pub struct Question<'a> {
    pub suite: &'a Suite,
    /// The tests that are wanted.
    pub names: Vec<String>,
    /// What the names of these tests begin with.
    pub module: &'static str,
    /// How the names of those begin that are not to be run.
    pub skip: Vec<String>,
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
    let module = "lesson::";
    let mut known: Vec<String> = Vec::new();
    let questions = suites.iter().map(|suite| {
        let all = suite.list(module)?;
        let (skip, names): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|name| known.contains(name));
        known.extend(names.iter().cloned());
        Ok(Question {
            suite,
            names,
            module,
            skip,
        })
    });
    questions.collect()
}

/// The exercises of each step. The project is among them, but skipped: it would take all our
/// time.
pub fn exercises(suites: &[Suite]) -> Result<Vec<Question<'_>>> {
    let module = "exercise::";
    let questions = suites.iter().map(|suite| {
        Ok(Question {
            suite,
            skip: vec![format!("{module}{}::", course::PROJECT)],
            names: suite.list(module)?,
            module,
        })
    });
    questions.collect()
}

/// Builds the suites of all steps, and returns them in their order. If it takes long, we tell.
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
    let built = cargo::build(&["test", "--no-run", "--test", "step0*"], &mut tell)?;
    let built = built.context("the tests cannot be built: `cargo test --no-run` fails")?;
    let mut suites: Vec<Suite> = built.into_iter().filter_map(suite).collect();
    ensure!(!suites.is_empty(), "cargo has built no tests of any step");
    suites.sort_by(|one, other| one.step.cmp(&other.step));
    Ok(suites)
}

const BUILDING: &str = "Building the tests: the first time, this takes some minutes.";

fn suite(Built { kind, name, path }: Built) -> Option<Suite> {
    let step = name.replace('_', "-");
    let is_suite = kind == "test" && course::STEPS.contains(&&*step);
    is_suite.then_some(Suite { step, path })
}

/// The folder of the repository.
pub fn top() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    top.canonicalize().unwrap_or(top)
}

/// A file for what a program prints. Unlike a pipe it is never full, and never without a
/// reader: a suite could not clean up after a write that fails.
pub fn memory_file() -> Result<File> {
    let file = memfd_create(c"output", MFdFlags::MFD_CLOEXEC).context("make a file in memory")?;
    Ok(File::from(file))
}

/// All that has been printed into a file.
pub fn read_all(mut file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().context("rewind a file")?;
    file.read_to_end(&mut bytes).context("read a file")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
