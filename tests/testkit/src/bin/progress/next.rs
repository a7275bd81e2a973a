//! What to read next, and what to type.

use std::fs;
use std::path::Path;

use crate::answers::{Topic, Verdict};
use crate::suites::top;

/// The last lines: the page that has the first thing that is missing, and a command that
/// tells all about it.
pub fn advice(program: &Path, steps: &[Topic], exercises: &[Topic]) -> String {
    let missing = steps
        .iter()
        .find_map(|step| Some((step, step.missing().next()?)));
    if let Some((step, trial)) = missing {
        return match &trial.verdict {
            Verdict::NotAsked(why) => cannot_ask(why),
            _ => read_and_type(program, step, &trial.name),
        };
    }
    let dependable = command(program, "step08-cgroup", "dependable");
    let next = match next_exercise(exercises) {
        Some(exercise) => do_next(program, exercise),
        None => "Every exercise is done.\n".to_owned(),
    };
    format!("\n{next}All eight steps pass. Are they dependable, too?\n{dependable}")
}

/// The first exercise that is not done. Those that are for everyone come before the others.
fn next_exercise(exercises: &[Topic]) -> Option<&Topic> {
    let mut missing = exercises.iter().filter(|exercise| !exercise.is_passed());
    let first = missing.clone().next();
    missing
        .find(|exercise| about(&exercise.name).starts_with("Core"))
        .or(first)
}

/// How an exercise's section begins, below its title: `Core · 20 minutes`.
fn about(exercise: &str) -> String {
    let page = top().join(format!("book/src/exercises/{exercise}.md"));
    let text = fs::read_to_string(page).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix('*')?.strip_suffix('*'));
    line.unwrap_or_default().to_owned()
}

fn do_next(program: &Path, exercise: &Topic) -> String {
    let Topic { name, step, .. } = exercise;
    let command = command(program, step, &format!("exercise::{name}"));
    let about = about(name);
    format!(
        "Do next: {name}, at the end of book/src/{step}.md\n         {about}\nIts checks:\n{command}"
    )
}

fn read_and_type(program: &Path, step: &Topic, trial: &str) -> String {
    let page = format!("book/src/{}.md", step.step);
    let title = fs::read_to_string(top().join(&page)).unwrap_or_default();
    let title = title
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("# ");
    let name = trial.rsplit("::").next().unwrap_or_default();
    let command = command(program, &step.step, name);
    format!("\nRead next: {page}\n           {title}\nThe first failure in full:\n{command}")
}

fn cannot_ask(why: &str) -> String {
    if !why.contains("needs root") {
        return format!(
            "\nThis machine cannot run the tests of the first step without a mark:\n  {why}\n"
        );
    }
    "\nThe tests from step 3 on need root. Be root yourself, or let cargo be root for\n\
     the program that it starts: `cargo run --bin doctor` shows how.\n"
        .to_owned()
}

/// `  CONTAINER=target/debug/mine cargo test -p step05-pid FILTER`
fn command(program: &Path, step: &str, filter: &str) -> String {
    // As the tests do, it counts a relative path from the repository's folder.
    let program = program.strip_prefix(top()).unwrap_or(program);
    let program = quoted(&program.to_string_lossy());
    format!("  CONTAINER={program} cargo test -p {step} {filter}\n")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+,%@:".contains(c);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
