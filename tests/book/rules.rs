//! What holds for every page.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::{Failed, Trial};
use regex::Regex;

use crate::console;
use crate::exercises;
use crate::expect_fresh;
use crate::sources::{STEPS, files, includes, pages, read, top};

/// A rule, as a function that fails where it is broken.
type Rule = fn() -> Result<()>;

/// All rules that take nothing but the pages.
pub const ALL: &[(&str, Rule)] = &[
    ("every_step_has_a_chapter", every_step_has_a_chapter),
    (
        "every_exercise_is_in_its_chapter",
        exercises::every_exercise_is_in_its_chapter,
    ),
    (
        "one_day_has_all_exercises",
        exercises::one_day_has_all_exercises,
    ),
    ("every_page_is_in_the_summary", every_page_is_in_the_summary),
    ("every_include_exists", every_include_exists),
    ("no_code_is_typed", no_code_is_typed),
    ("no_page_names_this_machine", no_page_names_this_machine),
    ("blocks_to_type_are_short", blocks_to_type_are_short),
    ("chapters_are_one_sitting", chapters_are_one_sitting),
    ("paragraphs_are_short", paragraphs_are_short),
    ("the_address_is_one", the_address_is_one),
];

fn every_step_has_a_chapter() -> Result<()> {
    let summary = read(&pages().join("SUMMARY.md"))?;
    for step in STEPS {
        ensure!(
            summary.contains(&format!("({step}.md)")),
            "{step} has no chapter in SUMMARY.md"
        );
    }
    let manifest = read(&top().join("Cargo.toml"))?;
    let members = Regex::new(r#""(step\d\d-[a-z]+)""#)?;
    let members: Vec<&str> = members
        .captures_iter(&manifest)
        .filter_map(|found| found.get(1))
        .map(|name| name.as_str())
        .collect();
    ensure!(members == STEPS, "the steps in Cargo.toml are {members:?}");
    Ok(())
}

fn every_page_is_in_the_summary() -> Result<()> {
    let summary = read(&pages().join("SUMMARY.md"))?;
    let mut included = Vec::new();
    for page in files(&pages(), ".md")? {
        included.extend(includes(&page)?);
    }
    for page in files(&pages(), ".md")? {
        let is_there = page == Path::new("SUMMARY.md")
            || included.contains(&page)
            || summary.contains(&format!("({})", page.display()));
        ensure!(
            is_there,
            "{} is neither in SUMMARY.md nor in a page",
            page.display()
        );
    }
    Ok(())
}

/// mdBook says nothing, or prints a line and goes on.
fn every_include_exists() -> Result<()> {
    for page in files(&pages(), ".md")? {
        for path in includes(&page)? {
            ensure!(
                pages().join(&path).is_file(),
                "{} includes {}, which does not exist",
                page.display(),
                path.display()
            );
        }
    }
    Ok(())
}

/// Code comes from a file that is compiled, and so do differences.
fn no_code_is_typed() -> Result<()> {
    let block = Regex::new(r"(?ms)^```(?:rust|diff|c|python)\b[^\n]*\n(.*?)^```")?;
    for page in files(&pages(), ".md")? {
        for found in block.captures_iter(&read(&pages().join(&page))?) {
            let is_included = found[1].trim().starts_with("{{#include ");
            let page = page.display();
            ensure!(
                is_included,
                "{page} has code that is not included:\n{}",
                &found[1]
            );
        }
    }
    for step in STEPS {
        for file in files(&top().join(step), ".rs")? {
            let text = read(&top().join(step).join(&file))?;
            ensure!(
                !text.contains("ANCHOR"),
                "{step}/{} has an ANCHOR",
                file.display()
            );
        }
    }
    Ok(())
}

/// A transcript that is true in one folder only is written with a `…`.
fn no_page_names_this_machine() -> Result<()> {
    let top = top();
    for page in files(&pages(), ".md")? {
        let text = read(&pages().join(&page))?;
        let is_there = text.contains(&*top.to_string_lossy());
        ensure!(!is_there, "{} names {}", page.display(), top.display());
    }
    Ok(())
}

fn blocks_to_type_are_short() -> Result<()> {
    let heading = Regex::new(r"(?m)^## Try it$")?;
    for page in chapters() {
        let text = read(&page)?;
        let start = heading.find(&text).context("find the heading `Try it`")?;
        let length = text[start.end()..]
            .find("\n## ")
            .unwrap_or(text.len() - start.end());
        for block in console::blocks(&text[start.end()..][..length]) {
            let length = block.length();
            ensure!(
                length <= 12,
                "{}: a block of {length} lines in `Try it`",
                page.display()
            );
        }
    }
    Ok(())
}

/// A fifth of a chapter asks for something: to write, to break, to say again.
fn chapters_are_one_sitting() -> Result<()> {
    let mut broken = Vec::new();
    for step in STEPS {
        let page = format!("{step}.md");
        let texts = prose(&read(&pages().join(&page))?)?;
        let words: usize = texts.iter().map(|text| count(text)).sum();
        if !(900..=1400).contains(&words) {
            broken.push(format!(
                "{page} has {words} words of prose, not 900 to 1,400"
            ));
        }
    }
    expect_none(&broken)
}

/// A paragraph of 75 words has five lines on a wide screen.
fn paragraphs_are_short() -> Result<()> {
    let mut broken = Vec::new();
    for page in files(&pages(), ".md")? {
        for text in prose(&read(&pages().join(&page))?)? {
            let words = count(&text);
            if words > 75 {
                let page = page.display();
                broken.push(format!("{page}: a paragraph of {words} words:\n{text}"));
            }
        }
    }
    expect_none(&broken)
}

/// Cargo.toml says where the repository is, and so do others.
fn the_address_is_one() -> Result<()> {
    let manifest = read(&top().join("Cargo.toml"))?;
    let address = Regex::new(r#"(?m)^repository = "(.*)"$"#)?;
    let address = address.captures(&manifest).context("find `repository`")?;
    let wanted = format!("${{1}}{}", &address[1]);
    let place = Regex::new(r#"(git clone |git-repository-url = ")[^"\s]+"#)?;
    let files = [
        "README.md",
        "book/book.toml",
        "book/src/start.md",
        "book/src/teach/mail.md",
    ];
    for file in files {
        let text = read(&top().join(file))?;
        ensure!(
            place.is_match(&text),
            "{file} does not say where the repository is"
        );
        expect_fresh(&top().join(file), &place.replace_all(&text, &wanted))?;
    }
    Ok(())
}

fn expect_none(broken: &[String]) -> Result<()> {
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

fn chapters() -> Vec<PathBuf> {
    STEPS
        .iter()
        .map(|step| pages().join(format!("{step}.md")))
        .collect()
}

/// The paragraphs and list items of a page: no code, tables, headings, pictures, or what
/// is folded.
fn prose(page: &str) -> Result<Vec<String>> {
    let left_out = Regex::new(
        r"(?ms)^```.*?^```|<details>.*?</details>|^#.*?$|^\|.*?$|^!\[.*?$|^\{\{.*?$|<[^>]*>",
    )?;
    let item = Regex::new(r"(?m)\n\n|^(- |\d\. )")?;
    let text = left_out.replace_all(page, "\n\n");
    let texts = item.split(&text).map(|text| text.trim().to_owned());
    Ok(texts.filter(|text| !text.is_empty()).collect())
}

/// Words, with the address of a link left out.
fn count(text: &str) -> usize {
    let address =
        Regex::new(r"\]\([^)]*\)").map(|address| address.replace_all(text, "]").into_owned());
    address.unwrap_or_default().split_whitespace().count()
}

/// The rules that take mdbook and lychee: ignored where these are not to be found, which
/// `.ci/run` does not let pass.
pub fn with_tools() -> Vec<Trial> {
    let tools: [(&str, &[&str], Rule); 2] = [
        (
            "mdbook_builds_without_a_warning",
            &["mdbook"],
            mdbook_builds_without_a_warning,
        ),
        ("links_are_alive", &["mdbook", "lychee"], links_are_alive),
    ];
    let trials = tools.into_iter().map(|(name, tools, rule)| {
        let is_there = tools.iter().all(|tool| has_tool(tool));
        let trial = Trial::test(name, move || {
            rule().map_err(|error| Failed::from(format!("{error:#}")))
        });
        trial.with_ignored_flag(!is_there)
    });
    trials.collect()
}

/// Is this program installed?
pub fn has_tool(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Builds the book in a folder of its own.
fn build(folder: &Path) -> Result<Duration> {
    let start = Instant::now();
    let mdbook = Command::new("mdbook")
        .args(["build", "--dest-dir"])
        .arg(folder)
        .arg(top().join("book"))
        .output()
        .context("execute mdbook")?;
    let said = String::from_utf8_lossy(&mdbook.stderr);
    let is_clean = !said.contains("WARN") && !said.contains("ERROR");
    ensure!(mdbook.status.success() && is_clean, "mdbook says:\n{said}");
    Ok(start.elapsed())
}

fn mdbook_builds_without_a_warning() -> Result<()> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let time = build(folder.path())?;
    ensure!(
        time < Duration::from_secs(5),
        "the book takes {time:?} to build"
    );
    Ok(())
}

fn links_are_alive() -> Result<()> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    build(folder.path())?;
    let lychee = Command::new("lychee")
        .args([
            "--offline",
            "--include-fragments",
            "--no-progress",
            "--root-dir",
        ])
        .arg(folder.path())
        .arg(folder.path())
        .output()
        .context("execute lychee")?;
    let said = String::from_utf8_lossy(&lychee.stdout);
    if !lychee.status.success() {
        bail!("lychee says:\n{said}");
    }
    // A run that finds no links to look at is none.
    let counted = Regex::new(r"(\d+) (OK|Total)")?
        .captures(&said)
        .map(|found| found[1].to_owned());
    let count: usize = counted.context("count the links")?.parse()?;
    ensure!(count > 100, "lychee looked at {count} links only");
    Ok(())
}
