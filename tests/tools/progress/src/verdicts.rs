//! Runs the suites, all at once, and reads what they say.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::failure::{Failure, Obstacle};

use crate::suites::{Question, memory_file, read_all};
use crate::waiting::{Stop, wait};

/// Most tests wait for a program most of the time.
const THREADS: &str = "4";

/// What a test says.
#[derive(PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    /// This machine, or this user, cannot run the test: why.
    NotAsked(Obstacle),
    /// It is part of a project, which is asked by its name only.
    Skipped,
    /// The time was over, or the program hangs.
    NoAnswer,
}

/// A test, by its whole name: `lesson::executes_the_command`.
pub struct Trial {
    pub name: String,
    pub verdict: Verdict,
    /// What was run, expected and seen, if it has failed.
    pub failure: Failure,
}

impl Trial {
    /// What the program does that passes it: `executes the command`.
    pub fn in_words(&self) -> String {
        let name = self.name.rsplit("::").next().unwrap_or_default();
        name.replace('_', " ")
    }
}

/// A step with its lessons, or an exercise with its checks.
pub struct Topic {
    /// The step, or the exercise.
    pub name: String,
    /// The step whose chapter tells about it.
    pub step: String,
    pub trials: Vec<Trial>,
}

impl Topic {
    pub fn count(&self, verdict: &Verdict) -> usize {
        self.trials
            .iter()
            .filter(|trial| trial.verdict == *verdict)
            .count()
    }

    pub fn has(&self, verdict: &Verdict) -> bool {
        self.count(verdict) > 0
    }

    /// Whether nothing is left to do.
    pub fn is_passed(&self) -> bool {
        self.count(&Verdict::Passed) == self.trials.len()
    }

    /// The tests that have not passed.
    pub fn missing(&self) -> impl Iterator<Item = &Trial> {
        self.trials
            .iter()
            .filter(|trial| trial.verdict != Verdict::Passed)
    }
}

/// A suite that runs, and the file for what it says.
struct Running {
    child: Child,
    log: File,
}

/// Asks all questions of `program` at once, and takes what has been answered when the time
/// is over; or nothing, if it is stopped.
pub fn ask(
    program: &Path,
    questions: &[Question],
    limit: Duration,
    stop: Stop,
) -> Result<Option<Vec<Topic>>> {
    let started = questions.iter().map(|question| start(program, question));
    let mut running = started.collect::<Result<Vec<_>>>()?;
    let suites = running.iter_mut().flatten();
    let mut suites: Vec<&mut Child> = suites.map(|running| &mut running.child).collect();
    if !wait(&mut suites, limit, stop)? {
        return Ok(None);
    }
    let answered = questions.iter().zip(running).map(|(question, running)| {
        let log = running.map(|running| read_all(running.log)).transpose()?;
        Ok(read(question, &log.unwrap_or_default()))
    });
    answered.collect::<Result<_>>().map(Some)
}

/// Starts a suite, if anything is asked of it.
fn start(program: &Path, question: &Question) -> Result<Option<Running>> {
    if question.names.is_empty() {
        return Ok(None);
    }
    let log = memory_file()?;
    let mut command = question.suite.command(program);
    command.args([question.module, "--test-threads", THREADS]);
    for name in &question.skip {
        command.args(["--skip", name]);
    }
    let share = || log.try_clone().context("share a file");
    command.stdout(share()?).stderr(share()?);
    let child = command.spawn();
    let child = child.with_context(|| format!("start the tests of {}", question.suite.step))?;
    Ok(Some(Running { child, log }))
}

/// Reads what a suite has said: `test lesson::executes_the_command ... ok` and so on, then
/// `failures:`, and for each of them `---- lesson::… ----` and why.
fn read(question: &Question, log: &str) -> Topic {
    let (results, failures) = log.split_once("\nfailures:\n").unwrap_or((log, ""));
    let results = results.lines().filter_map(|line| {
        let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        Some((name.trim_end(), result))
    });
    let results: HashMap<&str, &str> = results.collect();
    let trials = question.names.iter().map(|name| {
        let failure = Failure::from(report_of(name, failures));
        let is_skipped = question.skip.iter().any(|start| name.starts_with(start));
        let verdict = match (results.get(&**name), &failure.obstacle) {
            _ if is_skipped => Verdict::Skipped,
            (Some(&"ok"), _) => Verdict::Passed,
            (Some(&"FAILED"), Some(why @ (Obstacle::NoRoot(_) | Obstacle::NoHost(_)))) => {
                Verdict::NotAsked(why.clone())
            }
            (Some(&"FAILED"), None) => Verdict::Failed,
            _ => Verdict::NoAnswer,
        };
        let name = name.clone();
        Trial {
            name,
            verdict,
            failure,
        }
    });
    Topic {
        name: question.suite.step.clone(),
        step: question.suite.step.clone(),
        trials: trials.collect(),
    }
}

/// What a suite says below the name of a test that has failed.
fn report_of<'a>(name: &str, failures: &'a str) -> &'a str {
    let found = failures.split_once(&format!("---- {name} ----\n"));
    let (_, text) = found.unwrap_or_default();
    text.split("\n---- ").next().unwrap_or_default()
}

/// Sorts the checks of a step's suite by exercise: `exercise::NAME::CHECK`.
pub fn by_exercise(suites: Vec<Topic>) -> Vec<Topic> {
    let mut exercises: Vec<Topic> = Vec::new();
    for Topic { step, trials, .. } in suites {
        for trial in trials {
            let name = trial.name.split("::").nth(1).unwrap_or_default();
            match exercises.iter_mut().find(|exercise| exercise.name == name) {
                Some(exercise) => exercise.trials.push(trial),
                None => exercises.push(Topic {
                    name: name.to_owned(),
                    step: step.clone(),
                    trials: vec![trial],
                }),
            }
        }
    }
    exercises
}
