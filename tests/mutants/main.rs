//! Changes the steps in small ways, one at a time, and tells which changes no test notices.
//!
//! ```text
//! cargo run -p mutants                            all steps
//! cargo run -p mutants step05-pid                 one step, or one file:
//! cargo run -p mutants step08-cgroup/hierarchy.rs
//! cargo run -p mutants step08-cgroup/hierarchy.rs COMMAND...
//! ```
//!
//! Each mutant is built in a copy of the sources, and asked what its step's suite asks. The
//! programs are kept. With a COMMAND, which may run in a machine of `tests/vm`, those of one
//! file are put in the step's place, one after the other, and the command has to fail.
//!
//! A mutant that lives is told, and why that does not matter if `alive.txt` says so: there,
//! the reason is indented, and stands below the mutants that it is for.

mod mutate;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use course::STEPS;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The step's own program, beside its mutants: a command that fails for it, too, tells nothing.
const AS_IT_IS: &str = "as-it-is";

fn main() -> Result<ExitCode> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::set_current_dir(top.canonicalize()?).context("enter the repository")?;
    let args: Vec<String> = env::args().skip(1).collect();
    let mut score = Score::new()?;
    match args.as_slice() {
        [file, command @ ..] if !command.is_empty() => try_kept(file, command, &mut score)?,
        wanted => {
            copy_sources()?;
            let mut before = "";
            for step in STEPS {
                if wanted.iter().all(|wanted| wanted.starts_with(step)) {
                    try_step(step, before, wanted.first(), &mut score)?;
                }
                before = step;
            }
        }
    }
    println!("{} caught, {} alive", score.caught, score.alive);
    Ok(ExitCode::from(u8::from(score.alive > 0)))
}

/// How many there are of each kind, without those that do not matter.
struct Score {
    caught: u32,
    alive: u32,
    /// What may live, and why.
    reasons: BTreeMap<String, String>,
}

impl Score {
    fn new() -> Result<Self> {
        let text = fs::read_to_string("tests/mutants/alive.txt").context("read alive.txt")?;
        let mut reasons = BTreeMap::new();
        for paragraph in text.split("\n\n") {
            let (why, mutants): (Vec<&str>, Vec<&str>) =
                paragraph.lines().partition(|line| line.starts_with(' '));
            let why: Vec<&str> = why.iter().map(|line| line.trim()).collect();
            let why = why.join(" ");
            reasons.extend(mutants.iter().map(|what| (what.to_string(), why.clone())));
        }
        Ok(Self {
            caught: 0,
            alive: 0,
            reasons,
        })
    }

    /// Counts and tells a mutant, and what has failed because of it.
    fn add(&mut self, what: &str, failed: Option<String>) {
        let in_all_steps = what.split_once('/').map_or(what, |(_, what)| what);
        if let Some(by) = failed {
            self.caught += 1;
            println!("caught  {what}, by {by}");
        } else if let Some(why) = self.reasons.get(in_all_steps) {
            println!("alike   {what}: {why}");
        } else {
            self.alive += 1;
            println!("ALIVE   {what}");
        }
    }
}

/// A folder beside the build that all others use.
fn folder() -> PathBuf {
    PathBuf::from("target/mutants")
}

/// Copies all files that git knows to `target/mutants/tree`.
fn copy_sources() -> Result<()> {
    let list = Command::new("git").args(["ls-files", "-z"]).output();
    let list = String::from_utf8(list.context("run git ls-files")?.stdout)?;
    let files = list.split_terminator('\0');
    for file in files.filter(|file| Path::new(file).is_file()) {
        let to = folder().join("tree").join(file);
        fs::create_dir_all(to.parent().context("find a folder")?).context("make a folder")?;
        fs::copy(file, &to).with_context(|| format!("copy {file}"))?;
    }
    Ok(())
}

/// `cargo ARGS...` in the copy.
fn cargo(args: &[&str]) -> Result<std::process::Output> {
    let target = env::current_dir()?.join(folder()).join("target");
    let output = Command::new("cargo")
        .args(args)
        .current_dir(folder().join("tree"))
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .output();
    output.context("run cargo")
}

fn try_step(step: &str, before: &str, wanted: Option<&String>, score: &mut Score) -> Result<()> {
    let suite = build_suite(step)?;
    let suite = suite.to_str().context("name the suite")?;
    let skipped = ["exercise::", "answer::", "bites::"].map(|kind| ["--skip", kind]);
    let suite = [&[suite], skipped.as_flattened()].concat();
    let failed = ask(&suite)?;
    ensure!(failed.is_none(), "{step} as it is does not pass");
    fs::copy(program(step), folder().join(step).join(AS_IT_IS)).context("keep a program")?;

    for file in ["cgroup.rs", "command.rs", "hierarchy.rs", "main.rs"] {
        if wanted.is_some_and(|wanted| !format!("{step}/{file}").starts_with(wanted)) {
            continue;
        }
        let path = Path::new(step).join("src").join(file);
        let Ok(source) = fs::read_to_string(&path) else {
            continue;
        };
        let before = fs::read_to_string(format!("{before}/src/{file}")).unwrap_or_default();
        let kept = folder().join(step).join(file);
        fs::create_dir_all(&kept).context("make a folder")?;
        let mutated = folder().join("tree").join(&path);
        for (number, mutant) in mutate::mutants(&source, &before)?.iter().enumerate() {
            fs::write(&mutated, &mutant.source).context("write a mutant")?;
            let what = format!("{step}/{file} {}", mutant.what);
            let built = cargo(&["build", "-p", step, "--bin", step])?;
            if built.status.success() {
                let kept = kept.join(number.to_string());
                fs::copy(program(step), &kept).context("keep a program")?;
                fs::write(kept.with_extension("txt"), &what).context("keep its name")?;
                score.add(&what, ask(&suite)?);
            }
        }
        fs::write(&mutated, &source).context("undo a change")?;
    }
    Ok(())
}

/// Builds a step's tests, and makes a link to them: `target/mutants/STEP/suite`.
fn build_suite(step: &str) -> Result<PathBuf> {
    let kept = folder().join(step);
    fs::remove_dir_all(&kept).ok();
    fs::create_dir_all(&kept).context("make a folder")?;
    let test = step.replace('-', "_");
    let built = cargo(&["test", "--no-run", "-p", step, "--test", &test])?;
    let said = String::from_utf8_lossy(&built.stderr);
    ensure!(built.status.success(), "build the tests of {step}: {said}");
    // `Executable ../tests/step05_pid.rs (PATH)`
    let path = said
        .rsplit_once('(')
        .and_then(|(_, end)| end.split_once(')'));
    let (path, _) = path.context("find the tests in what cargo said")?;
    let link = kept.join("suite");
    symlink(path, &link).context("make a link")?;
    Ok(link)
}

/// Where the suite expects the program.
fn program(step: &str) -> PathBuf {
    folder().join("target/debug").join(step)
}

/// Puts the programs that were kept of a file, such as `step08-cgroup/hierarchy.rs`, to a test.
fn try_kept(file: &str, command: &[String], score: &mut Score) -> Result<()> {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let (step, _) = file.split_once('/').context("find the step")?;
    put_in_place(step, &folder().join(step).join(AS_IT_IS))?;
    let failed = ask(&command)?;
    ensure!(failed.is_none(), "{step} as it is does not pass");
    let kept = folder().join(file);
    for number in 0..1000 {
        let kept = kept.join(number.to_string());
        let Ok(what) = fs::read_to_string(kept.with_extension("txt")) else {
            continue;
        };
        put_in_place(step, &kept)?;
        score.add(&what, ask(&command)?);
    }
    Ok(())
}

/// Makes the file anew: the one that is there may be executed just now.
fn put_in_place(step: &str, kept: &Path) -> Result<()> {
    fs::remove_file(program(step)).context("make room for a program")?;
    fs::copy(kept, program(step)).context("copy a program")?;
    Ok(())
}

/// Runs a command, until it ends or the first of its tests has failed: the name of that, or how
/// the command has failed.
fn ask(command: &[&str]) -> Result<Option<String>> {
    let mut tests = Command::new(command[0])
        .args(&command[1..])
        .env("CARGO_TARGET_DIR", folder().join("target"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("run {}", command[0]))?;
    let output = tests.stdout.take().context("read the tests' output")?;
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let failed = lines.find_map(|line| {
        let (name, _) = line.strip_prefix("test ")?.split_once("... FAILED")?;
        Some(name.trim().to_owned())
    });
    if failed.is_some() {
        // It ends what it has started.
        kill(Pid::from_raw(i32::try_from(tests.id())?), Signal::SIGTERM).ok();
    }
    let status = tests.wait().context("wait for the tests")?;
    Ok(failed.or_else(|| (!status.success()).then(|| status.to_string())))
}
