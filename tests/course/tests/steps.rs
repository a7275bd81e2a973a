//! Keeps the steps honest: what a lesson does not touch stays the same to the byte.

use std::fs;
use std::path::{Path, PathBuf};

use course::STEPS;
use similar::{ChangeTag, TextDiff};

/// How many lines of main.rs each lesson takes away and adds: as few as the finished code
/// needs. The head of the file, which tells about the step, counts too.
const LESSONS: [(usize, usize); 7] = [(7, 10), (4, 8), (6, 33), (8, 14), (4, 18), (6, 29), (5, 29)];

#[test]
fn command_rs_is_the_same_in_every_step_from_the_second_on() {
    let first = read("step02-exec/src/command.rs");
    for step in &STEPS[2..] {
        let path = format!("{step}/src/command.rs");
        assert!(
            read(&path) == first,
            "{path} differs from that of step02-exec"
        );
    }
}

#[test]
fn main_rs_changes_by_the_lesson_and_no_more() {
    for (pair, lesson) in STEPS.windows(2).zip(LESSONS) {
        let [before, after] = [pair[0], pair[1]].map(|step| read(&format!("{step}/src/main.rs")));
        let diff = TextDiff::from_lines(&before, &after);
        let count = |tag| {
            diff.iter_all_changes()
                .filter(|change| change.tag() == tag)
                .count()
        };
        let seen = (count(ChangeTag::Delete), count(ChangeTag::Insert));
        assert!(
            seen == lesson,
            "from {} to {}, main.rs loses and gains {seen:?} lines, not {lesson:?}:\n{}",
            pair[0],
            pair[1],
            diff.unified_diff().context_radius(0)
        );
    }
}

#[test]
fn only_command_rs_has_an_unsafe_block() {
    for step in STEPS {
        for file in sources(step, &["src", "src/bin"]) {
            let count = read(&file).matches("unsafe {").count();
            let allowed = usize::from(file.ends_with("src/command.rs"));
            assert!(
                count == allowed,
                "{file} has {count} unsafe blocks, not {allowed}"
            );
        }
    }
}

#[test]
fn every_function_fits_on_a_screen() {
    for step in STEPS {
        for file in sources(step, &["src", "src/bin", "answers"]) {
            let text = read(&file);
            let mut lines = text.lines().enumerate();
            while let Some((start, line)) = lines.next() {
                let indent = line.len() - line.trim_start().len();
                let is_function = line
                    .trim_start()
                    .trim_start_matches("pub ")
                    .starts_with("fn ");
                if !is_function || line.ends_with('}') {
                    continue;
                }
                let end = format!("{}}}", " ".repeat(indent));
                let end = lines
                    .find(|(_, line)| *line == end)
                    .map_or(usize::MAX, |(end, _)| end);
                let length = (end - start).saturating_add(1);
                assert!(
                    length <= 40,
                    "{file}:{}: a function of {length} lines",
                    start + 1
                );
            }
        }
    }
}

/// The sources in some of a step's folders, as paths from the workspace's top.
fn sources(step: &str, folders: &[&str]) -> Vec<String> {
    let mut sources = Vec::new();
    for folder in folders {
        let Ok(files) = fs::read_dir(top().join(step).join(folder)) else {
            continue;
        };
        let names = files.map(|file| file.expect("list a folder").file_name());
        let names = names.map(|name| name.into_string().expect("a name in UTF-8"));
        let names = names.filter(|name| name.ends_with(".rs"));
        sources.extend(names.map(|name| format!("{step}/{folder}/{name}")));
    }
    assert!(!sources.is_empty(), "no sources in {step}");
    sources
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
