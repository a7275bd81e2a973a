//! What pages say of the exercises, as the catalogue has it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use course::{EXERCISES, Exercise, STEPS};
use regex::{NoExpand, Regex};

use crate::sources::{pages, read};

/// The pages of the exercises, each with the line below its title as it should be.
pub fn with_lines() -> Result<Vec<(PathBuf, String)>> {
    let line = Regex::new(r"(?m)^\*.*minutes\*$")?;
    let pages = EXERCISES.iter().map(|exercise| {
        let path = pages().join(format!("exercises/{}.md", exercise.name));
        let text = read(&path)?;
        let about = format!("*{}*", exercise.about());
        ensure!(line.is_match(&text), "{} says no minutes", path.display());
        let text = line.replace(&text, NoExpand(&about)).into_owned();
        Ok((path, text))
    });
    pages.collect()
}

/// Each chapter ends with the exercises of its step, and no others.
pub fn every_exercise_is_in_its_chapter() -> Result<()> {
    let include = Regex::new(r"(?m)^\{\{#include exercises/(.*)\.md\}\}$")?;
    for (number, step) in (1..).zip(STEPS) {
        let text = read(&pages().join(format!("{step}.md")))?;
        let seen: Vec<_> = include.captures_iter(&text).collect();
        let seen: Vec<_> = seen.iter().map(|found| &found[1]).collect();
        let wanted: Vec<_> = course::exercises(number).map(|it| it.name).collect();
        ensure!(
            seen == wanted,
            "{step}.md has the exercises {seen:?}, not {wanted:?}"
        );
    }
    Ok(())
}

/// In a day there is time for each core exercise, and the quick ones get all the others.
pub fn one_day_has_all_exercises() -> Result<()> {
    let page = read(&pages().join("teach/one-day.md"))?;
    let mut rest = page.as_str();
    for Exercise { name, minutes, .. } in EXERCISES.iter().filter(|it| it.is_core()) {
        let row = format!("| {minutes} | Exercise `{name}` |\n");
        let found = rest.split_once(&row);
        (_, rest) = found.with_context(|| format!("one-day.md lacks, in its order: {row}"))?;
    }
    for (number, _) in (1..).zip(STEPS) {
        let others = course::exercises(number).filter(|it| !it.is_core() && !it.is_project());
        let names: Vec<String> = others.map(|it| format!("`{}`", it.name)).collect();
        let row = format!("| step {number} | {} |\n", names.join(", "));
        let is_there = names.is_empty() || rest.contains(&row);
        ensure!(is_there, "one-day.md lacks, for the quick ones: {row}");
    }
    Ok(())
}
