//! What pages say of the exercises, as the catalogue has it.

use anyhow::{Context, Result, ensure};
use course::{EXERCISES, Exercise};
use regex::{NoExpand, Regex};

use crate::expect_fresh;
use crate::sources::{chapters, page};

/// Each exercise says, below its title, how hard it is and how long it takes.
pub fn exercises_are_fresh() -> Result<()> {
    let line = Regex::new(r"(?m)^\*.*minutes\*$")?;
    for exercise in EXERCISES {
        let page = page(&format!("exercises/{}.md", exercise.name))?;
        let about = format!("*{}*", exercise.about());
        ensure!(line.is_match(&page.text), "{} says no minutes", page.name);
        expect_fresh(&page.path, &line.replace(&page.text, NoExpand(&about)))?;
    }
    Ok(())
}

/// Each chapter ends with the exercises of its step, and no others.
pub fn every_exercise_is_in_its_chapter() -> Result<()> {
    let include = Regex::new(r"(?m)^\{\{#include exercises/(.*)\.md\}\}$")?;
    for (number, page) in (1..).zip(chapters()?) {
        let seen: Vec<_> = include.captures_iter(&page.text).collect();
        let seen: Vec<_> = seen.iter().map(|found| &found[1]).collect();
        let wanted: Vec<_> = course::exercises(number).map(|it| it.name).collect();
        let name = page.name;
        ensure!(
            seen == wanted,
            "{name} has the exercises {seen:?}, not {wanted:?}"
        );
    }
    Ok(())
}

/// In a day there is time for each core exercise, and the quick ones get all the others.
pub fn one_day_has_all_exercises() -> Result<()> {
    let page = page("teach/one-day.md")?;
    let mut rest = page.text.as_str();
    for Exercise { name, minutes, .. } in EXERCISES.iter().filter(|it| it.is_core()) {
        let row = format!("| {minutes} | Exercise `{name}` |\n");
        let found = rest.split_once(&row);
        (_, rest) = found.with_context(|| format!("one-day.md lacks, in its order: {row}"))?;
    }
    for number in 1..=8 {
        let others = course::exercises(number).filter(|it| !it.is_core() && !it.is_project());
        let names: Vec<String> = others.map(|it| format!("`{}`", it.name)).collect();
        let row = format!("| step {number} | {} |\n", names.join(", "));
        let is_there = names.is_empty() || rest.contains(&row);
        ensure!(is_there, "one-day.md lacks, for the quick ones: {row}");
    }
    Ok(())
}
