//! What to read next, and what to type.

use std::fs;
use std::path::Path;

use contract::failure::Obstacle::NoRoot;
use course::STEPS;

use crate::suites::top;
use crate::verdicts::{Topic, Trial, Verdict};

/// The last lines: the page that has the first thing that is missing, and a command that
/// tells all about it.
pub fn advice(program: &Path, steps: &[Topic], exercises: &[Topic]) -> String {
    let mut missing = steps
        .iter()
        .flat_map(|step| step.missing().map(move |it| (step, it)));
    if let Some((step, trial)) = missing.next() {
        return match trial.verdict {
            Verdict::NotAsked => cannot_ask(trial),
            _ if fails_at_once(steps) => look_at(program, step, trial),
            _ => read_and_type(program, step, trial),
        };
    }
    let next = match next_exercise(exercises) {
        Some(exercise) => do_next(program, exercise),
        None => "Every exercise is done.\n".to_owned(),
    };
    format!("\n{next}{}", all_pass(program))
}

pub fn all_pass(program: &Path) -> String {
    let dependable = command(program, "step08-cgroup", "dependable");
    format!("All eight steps pass. Are they dependable, too?\n{dependable}")
}

/// What helps on with a step: its page, and what the first test that fails has expected.
pub fn hint(program: &Path, step: &Topic) -> String {
    match step.missing().next() {
        None => page(step.step),
        Some(trial) if trial.verdict == Verdict::NotAsked => cannot_ask(trial),
        Some(trial) => {
            let read = read_and_type(program, step, trial);
            format!("{read}\n{}\n", trial.failure)
        }
    }
}

/// The first exercise that is not done. Those that are for everyone come before the others.
fn next_exercise(exercises: &[Topic]) -> Option<&Topic> {
    let is_core = |it: &&Topic| course::exercise(&it.name).is_some_and(|it| it.is_core());
    let missing = exercises.iter().filter(|exercise| !exercise.is_passed());
    missing.min_by_key(|exercise| !is_core(exercise))
}

fn do_next(program: &Path, exercise: &Topic) -> String {
    let Topic { name, step, .. } = exercise;
    let command = command(program, step, &format!("exercise::{name}"));
    let about = course::exercise(name).map(|exercise| exercise.about());
    let about = about.unwrap_or_default();
    format!(
        "Do next: {name}, at the end of book/src/{step}.md\n         {about}\nIts checks:\n{command}"
    )
}

/// Whether no lesson at all passes: then it is no lesson that is missing.
fn fails_at_once(steps: &[Topic]) -> bool {
    let has = |verdict| steps.iter().any(|step| step.has(verdict));
    has(Verdict::Failed) && !has(Verdict::Passed)
}

/// What the program itself says, and what to type to see it.
fn look_at(program: &Path, step: &Topic, trial: &Trial) -> String {
    let said = trial.failure.said("standard error");
    let said = match said.and_then(|text| text.lines().next()) {
        Some(line) => format!("It says:\n  {line}\n"),
        None => "It says nothing on standard error.\n".to_owned(),
    };
    let command = command(program, step.step, trial.short_name());
    format!(
        "\nNo lesson passes: the program fails before it executes anything. {said}\
         The first failure in full:\n{command}"
    )
}

/// The page that tells about a failure, which may be another step's than the one whose lesson
/// has failed; and the command that asks for it again.
fn read_and_type(program: &Path, step: &Topic, trial: &Trial) -> String {
    let number = trial.failure.chapter.map(usize::from);
    let chapter = number.and_then(|number| STEPS.get(number.checked_sub(1)?));
    let page = page(chapter.unwrap_or(&step.step));
    let command = command(program, step.step, trial.short_name());
    let what = match trial.verdict {
        Verdict::NoAnswer => "To ask that alone",
        _ => "The first failure in full",
    };
    format!("{page}{what}:\n{command}")
}

/// What a step's chapter is called, and where it is.
pub fn page(step: &str) -> String {
    let page = format!("book/src/{step}.md");
    let text = fs::read_to_string(top().join(&page)).unwrap_or_default();
    let title = text.lines().next().unwrap_or_default();
    let title = title.trim_start_matches("# ");
    format!("\nRead next: {page}\n           {title}\n")
}

/// What keeps a test from being asked, and what to do about it.
pub fn cannot_ask(trial: &Trial) -> String {
    match &trial.failure.obstacle {
        Some(NoRoot(_)) => "\nThe tests from step 3 on need root. Be root yourself, or let cargo \
            be root for\nthe program that it starts: `cargo run --bin doctor` shows how.\n"
            .to_owned(),
        why => {
            let why = why.as_ref().map_or("", |why| why.text());
            format!(
                "\nThis machine cannot run the tests of the first step without a mark:\n  {why}\n"
            )
        }
    }
}

/// `  CONTAINER=target/debug/mine cargo test -p step05-pid FILTER`
fn command(program: &Path, step: &str, filter: &str) -> String {
    // As the tests do, it counts a relative path from the repository's folder.
    let program = program.strip_prefix(top()).unwrap_or(program);
    let program = program.to_string_lossy();
    // A word for a shell: no path has a NUL, the only byte that cannot be in one.
    let program = shlex::try_quote(&program).unwrap_or_default();
    format!("  CONTAINER={program} cargo test -p {step} {filter}\n")
}
