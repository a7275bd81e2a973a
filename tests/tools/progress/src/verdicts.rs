//! Runs the suites, all at once, and reads what they say.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::failure::{Failure, Obstacle};

use crate::children::{Stop, memory_file, read_all, wait};
use crate::suites::Question;

/// Most tests wait for a program most of the time.
const THREADS: &str = "4";

/// What a test says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    /// This machine, or this user, cannot run the test.
    NotAsked,
    /// It is part of the project, which is asked by its name only.
    Skipped,
    /// The time was over, or the program hangs.
    NoAnswer,
}

/// A test, by its whole name: `lesson::executes_the_command`.
pub struct Trial {
    pub name: String,
    pub verdict: Verdict,
    /// What was run, expected and seen, if it has failed; or why it was not asked.
    pub failure: Failure,
}

impl Trial {
    /// `executes_the_command`
    pub fn short_name(&self) -> &str {
        self.name.rsplit("::").next().unwrap_or_default()
    }

    /// What the program does that passes it: `executes the command`.
    pub fn in_words(&self) -> String {
        self.short_name().replace('_', " ")
    }
}

/// A step with its lessons, or an exercise with its checks.
pub struct Topic {
    /// The step, or the exercise.
    pub name: String,
    /// The step whose chapter tells about it.
    pub step: &'static str,
    pub trials: Vec<Trial>,
}

impl Topic {
    pub fn count(&self, verdict: Verdict) -> usize {
        let verdicts = self.trials.iter().map(|trial| trial.verdict);
        verdicts.filter(|found| *found == verdict).count()
    }

    pub fn has(&self, verdict: Verdict) -> bool {
        self.count(verdict) > 0
    }

    /// The tests that have not passed.
    pub fn missing(&self) -> impl Iterator<Item = &Trial> {
        let trials = self.trials.iter();
        trials.filter(|trial| trial.verdict != Verdict::Passed)
    }

    /// Whether nothing is left to do.
    pub fn is_passed(&self) -> bool {
        self.missing().next().is_none()
    }
}

/// Asks all questions of `program` at once, and takes what has been answered when the time
/// is over; or nothing, if it is stopped.
pub fn ask(
    program: &Path,
    questions: &[Question],
    limit: Duration,
    stop: Stop,
) -> Result<Option<Vec<Topic>>> {
    let (mut suites, mut logs) = (Vec::new(), Vec::new());
    for Question { suite, names } in questions {
        let log = memory_file()?;
        let share = || log.try_clone().context("share a file");
        let names: Vec<&String> = names.iter().filter(|name| !is_skipped(name)).collect();
        // A suite that is given no name asks all that it knows.
        if !names.is_empty() {
            let mut command = suite.command(program);
            command.args(["--test-threads", THREADS, "--exact"]);
            command.args(names).stdout(share()?).stderr(share()?);
            let started = command.spawn();
            suites.push(started.with_context(|| format!("start the tests of {}", suite.step))?);
        }
        logs.push(log);
    }
    if !wait(&mut suites, limit, stop)? {
        return Ok(None);
    }
    let topics = questions.iter().zip(logs).map(|(question, log)| {
        Ok(Topic {
            name: question.suite.step.to_owned(),
            step: question.suite.step,
            trials: read(&question.names, &read_all(log)?),
        })
    });
    topics.collect::<Result<_>>().map(Some)
}

/// The project would take all our time.
fn is_skipped(name: &str) -> bool {
    exercise_of(name) == course::PROJECT
}

/// `exercise::NAME::CHECK`
fn exercise_of(name: &str) -> &str {
    let below = name.strip_prefix("exercise::").unwrap_or_default();
    below.split("::").next().unwrap_or_default()
}

/// Reads what a suite has said: `test lesson::executes_the_command ... ok` and so on, then
/// `failures:`, and for each of them `---- lesson::… ----` and why.
fn read(names: &[String], log: &str) -> Vec<Trial> {
    let (results, failures) = log.split_once("\nfailures:\n").unwrap_or((log, ""));
    let results = results.lines().filter_map(|line| {
        let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        Some((name.trim_end(), result))
    });
    let results: HashMap<&str, &str> = results.collect();
    let trials = names.iter().map(|name| {
        let failure = Failure::from(report_of(name, failures));
        let verdict = match (results.get(&**name), &failure.obstacle) {
            _ if is_skipped(name) => Verdict::Skipped,
            (Some(&"ok"), _) => Verdict::Passed,
            (Some(&"FAILED"), None) => Verdict::Failed,
            (Some(&"FAILED"), Some(Obstacle::NoRoot(_) | Obstacle::NoHost(_))) => Verdict::NotAsked,
            _ => Verdict::NoAnswer,
        };
        Trial {
            name: name.clone(),
            verdict,
            failure,
        }
    });
    trials.collect()
}

/// What a suite says below the name of a test that has failed.
fn report_of<'a>(name: &str, failures: &'a str) -> &'a str {
    let found = failures.split_once(&format!("---- {name} ----\n"));
    let (_, text) = found.unwrap_or_default();
    text.split("\n---- ").next().unwrap_or_default()
}

/// Sorts the checks of the steps' suites by exercise.
pub fn by_exercise(suites: Vec<Topic>) -> Vec<Topic> {
    let mut exercises: Vec<Topic> = Vec::new();
    for Topic { step, trials, .. } in suites {
        for trial in trials {
            let name = exercise_of(&trial.name);
            match exercises.iter_mut().find(|exercise| exercise.name == name) {
                Some(exercise) => exercise.trials.push(trial),
                None => exercises.push(Topic {
                    name: name.to_owned(),
                    step,
                    trials: vec![trial],
                }),
            }
        }
    }
    exercises
}
