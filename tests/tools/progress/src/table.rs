//! What came out, a row for each step and each exercise, 80 columns wide.

use std::env;
use std::io::{self, IsTerminal};

use common::shortened;
use contract::failure::Obstacle::NoRoot;

use crate::verdicts::{Topic, Trial, Verdict};

const WIDTH: usize = 80;

/// Where the marks stand, and the remarks.
const MARK: usize = 25;
const REMARK: usize = 28;

/// How many exercises stand side by side.
const COLUMNS: usize = 3;

/// What the name and the count of each take.
const NAME_AND_COUNT: usize = 22;

/// Whether to use colours.
#[derive(Clone, Copy)]
pub struct Paint(bool);

impl Paint {
    /// At a terminal that can, for a user who has not asked for none (<https://no-color.org>).
    pub fn for_terminal() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(io::stdout().is_terminal() && !is_dumb && !is_set("NO_COLOR"))
    }

    fn with(self, code: u8, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn mark(self, topic: &Topic) -> String {
        let missing = topic.missing().next();
        self.sign(missing.map_or(Verdict::Passed, |trial| trial.verdict))
    }

    fn sign(self, verdict: Verdict) -> String {
        match verdict {
            Verdict::Passed => self.with(32, "✓"),
            Verdict::NotAsked => self.pale("–"),
            Verdict::NoAnswer => self.pale("…"),
            Verdict::Failed | Verdict::Skipped => self.with(31, "✗"),
        }
    }

    pub fn pale(self, text: &str) -> String {
        self.with(2, text)
    }
}

/// A row for each step.
pub fn lessons(steps: &[Topic], paint: Paint) -> String {
    let rows = steps.iter().map(|step| match step.trials.is_empty() {
        // Step 1 executes nothing, and so nothing of another program can be seen.
        true => format!("{:MARK$}{}\n", step.name, paint.pale("–  nothing to ask")),
        false => row(step, paint),
    });
    rows.collect()
}

/// A step, and a line for each of its lessons.
pub fn step(step: &Topic, paint: Paint) -> String {
    let lines = step.trials.iter().map(|trial| {
        let sign = paint.sign(trial.verdict);
        format!("  {sign}  {}\n", trial.in_words())
    });
    head(step, paint) + "\n" + &lines.collect::<String>()
}

/// All exercises, in columns.
pub fn exercises(exercises: &[Topic], paint: Paint) -> String {
    if exercises.is_empty() {
        return "\nNo exercise was tried, since a lesson has not ended.\n".to_owned();
    }
    let height = exercises.len().div_ceil(COLUMNS);
    let mut text = String::from("\nexercises\n");
    for line in 0..height {
        let cells = exercises.iter().skip(line).step_by(height);
        let cells = cells.map(|exercise| cell(exercise, paint));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
    }
    if exercises.iter().any(|it| it.has(Verdict::NoAnswer)) {
        text += NO_ANSWER;
    }
    let is_half = |exercise: &Topic| {
        let first = exercise.missing().next().map(|trial| trial.verdict);
        exercise.has(Verdict::Passed) && first == Some(Verdict::NotAsked)
    };
    if exercises.iter().any(is_half) {
        text += "–  What is left of it cannot be asked here.\n";
    }
    let mut projects = exercises.iter().filter(|it| it.has(Verdict::Skipped));
    if let Some(Topic { name, .. }) = projects.next() {
        text += &format!("{name}, a project, is asked by its name only: exercise::{name}\n");
    }
    text
}

pub const NO_ANSWER: &str = "…  No answer: the time was over, or the program hangs.\n";

/// `init             3 of 4  ✗`
fn cell(exercise: &Topic, paint: Paint) -> String {
    let name = &exercise.name;
    let passed = exercise.count(Verdict::Passed);
    let room = NAME_AND_COUNT.saturating_sub(name.len().max(12));
    let untried = match exercise.missing().next().map(|trial| trial.verdict) {
        Some(Verdict::Failed) if passed == 0 => "not begun",
        Some(Verdict::NotAsked) if passed == 0 => "not tried",
        Some(Verdict::NoAnswer) if passed == 0 => "no answer",
        Some(Verdict::Skipped) => "not asked",
        _ => {
            let count = format!("{passed} of {}", exercise.trials.len());
            return format!("{name:12}{count:>room$}  {}", paint.mark(exercise));
        }
    };
    let untried = format!("{:1$}", format!("{untried:>10}"), room + 3);
    format!("{name:12}{}", paint.pale(&untried))
}

/// `step05-pid       0 of 1  ✗  numbers_its_processes_from_1`
pub fn row(topic: &Topic, paint: Paint) -> String {
    let head = head(topic, paint);
    let mut missing = topic.missing();
    match missing.next() {
        Some(first) => {
            let remark = remark(first, missing.count());
            format!("{head}  {}\n", paint.pale(&remark))
        }
        None => head + "\n",
    }
}

/// `step05-pid       0 of 1  ✗`
fn head(topic: &Topic, paint: Paint) -> String {
    let name = &topic.name;
    let passed = topic.count(Verdict::Passed);
    let count = format!("{passed} of {}", topic.trials.len());
    format!("{name:13}{count:>9}   {}", paint.mark(topic))
}

/// What is missing: the first test, why there is no answer, and how many more there are.
fn remark(first: &Trial, more: usize) -> String {
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match (first.verdict, &first.failure.obstacle) {
        (Verdict::NotAsked, Some(NoRoot(_))) => return "needs root".into(),
        (Verdict::NotAsked, _) => return "cannot be asked".into(),
        (Verdict::NoAnswer, _) => "no answer: ",
        _ => "",
    };
    let room = WIDTH - REMARK - what.len() - more.len();
    format!("{what}{}{more}", shortened(first.short_name(), room))
}
