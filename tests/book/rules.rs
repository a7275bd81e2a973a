//! What holds for every page.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use course::STEPS;
use regex::Regex;
use testkit::patience::Patience;

use crate::console;
use crate::expect_fresh;
use crate::sources::{Page, chapters, files, generated, page, pages, pages_in, read, readme, top};

/// Fails with all that is wrong with the pages.
fn expect_none(pages: Vec<Page>, wrong: impl Fn(&Page) -> Result<Option<String>>) -> Result<()> {
    let mut all = Vec::new();
    for page in pages {
        all.extend(wrong(&page)?.map(|wrong| format!("{} {wrong}", page.name)));
    }
    ensure!(all.is_empty(), "{}", all.join("\n"));
    Ok(())
}

pub fn every_step_has_a_chapter() -> Result<()> {
    let summary = page("SUMMARY.md")?.text;
    for step in STEPS {
        let is_there = summary.contains(&format!("({step}.md)"));
        ensure!(is_there, "{step} has no chapter in SUMMARY.md");
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(top()).context("list the steps")? {
        folders.push(entry?.file_name().to_string_lossy().into_owned());
    }
    folders.retain(|name| name.starts_with("step"));
    folders.sort();
    ensure!(folders == STEPS, "the steps are {folders:?}");
    Ok(())
}

pub fn every_page_is_in_the_summary() -> Result<()> {
    let summary = page("SUMMARY.md")?;
    let mut there = vec![summary.path];
    for page in pages()? {
        there.extend(page.includes()?);
    }
    expect_none(pages()?, |page| {
        let is_there =
            summary.text.contains(&format!("({})", page.name)) || there.contains(&page.path);
        Ok((!is_there).then(|| "is neither in SUMMARY.md nor in a page".into()))
    })
}

/// mdBook says nothing, or prints a line and goes on.
pub fn every_include_exists() -> Result<()> {
    expect_none(pages()?, |page| {
        let missing = page.includes()?.into_iter().find(|path| !path.is_file());
        Ok(missing.map(|path| format!("includes {}, which does not exist", path.display())))
    })
}

/// Code comes from a file that is compiled, and so do differences.
pub fn no_code_is_typed() -> Result<()> {
    let block = Regex::new(r"(?ms)^```(?:rust|diff|c|python)\b[^\n]*\n(.*?)^```")?;
    expect_none(pages()?, |page| {
        let mut code = block
            .captures_iter(&page.text)
            .map(|found| found[1].to_owned());
        let typed = code.find(|code| !code.trim().starts_with("{{#include "));
        Ok(typed.map(|code| format!("has code that is not included:\n{code}")))
    })?;
    for step in STEPS {
        for file in files(&top().join(step), ".rs")? {
            ensure!(
                !read(&file)?.contains("ANCHOR"),
                "{} has an ANCHOR",
                file.display()
            );
        }
    }
    Ok(())
}

/// A transcript that is true in one folder only is written with a `…`.
pub fn no_page_names_this_machine() -> Result<()> {
    let top = top().display().to_string();
    let mut all = pages()?;
    all.extend(pages_in(&generated())?);
    expect_none(all, |page| {
        Ok(page.text.contains(&top).then(|| format!("names {top}")))
    })
}

pub fn blocks_to_type_are_short() -> Result<()> {
    let part = Regex::new(r"(?s)\n## Try it\n(.*?)\n## ")?;
    expect_none(chapters()?, |page| {
        let part = part.captures(&page.text).context("find `Try it`")?;
        let lengths = console::blocks(&part[1])
            .into_iter()
            .map(|block| block.length());
        let long = lengths.max().filter(|length| *length > 12);
        Ok(long.map(|length| format!("has a block of {length} lines in `Try it`")))
    })
}

/// A fifth of a chapter asks for something: to write, to break, to say again.
pub fn chapters_are_one_sitting() -> Result<()> {
    expect_none(chapters()?, |page| {
        let words: usize = prose(&page.text)?.iter().map(|(words, _)| words).sum();
        let is_wrong = !(900..=1400).contains(&words);
        Ok(is_wrong.then(|| format!("has {words} words of prose, not 900 to 1,400")))
    })
}

/// A paragraph of 75 words has five lines on a wide screen.
pub fn paragraphs_are_short() -> Result<()> {
    expect_none(pages()?, |page| {
        let long = prose(&page.text)?
            .into_iter()
            .find(|(words, _)| *words > 75);
        Ok(long.map(|(words, text)| format!("has a paragraph of {words} words:\n{text}")))
    })
}

/// The paragraphs and list items of a page, each with the number of its words: no code, tables,
/// headings, pictures, or what is folded, and no address of a link.
fn prose(page: &str) -> Result<Vec<(usize, String)>> {
    let left_out = Regex::new(
        r"(?ms)^```.*?^```|<details>.*?</details>|^#.*?$|^\|.*?$|^!\[.*?$|^\{\{.*?$|<[^>]*>",
    )?;
    let address = Regex::new(r"\]\([^)]*\)")?;
    let item = Regex::new(r"(?m)\n\n|^(- |\d\. )")?;
    let text = left_out.replace_all(page, "\n\n");
    let text = address.replace_all(&text, "]");
    let texts = item
        .split(&text)
        .map(|text| (text.split_whitespace().count(), text.to_owned()));
    Ok(texts.collect())
}

/// The scripts that tell apart what is typed know a prompt as we do.
pub fn a_reader_sees_the_same_prompts() -> Result<()> {
    let pattern = format!("/{}/", console::PROMPT.as_str());
    for script in ["book/transcripts.js", "book/machine/panel.js"] {
        let text = read(&top().join(script))?;
        ensure!(text.contains(&pattern), "{script} lacks {pattern}");
    }
    Ok(())
}

/// Cargo.toml says where the repository is, and so do others; and README where the book is.
pub fn the_address_is_one() -> Result<()> {
    let manifest = read(&top().join("Cargo.toml"))?;
    let address = Regex::new(r#"(?m)^repository = "(.*)"$"#)?;
    let address = address.captures(&manifest).context("find `repository`")?;
    let wanted = format!("${{1}}{}", &address[1]);
    let place = Regex::new(r#"(git clone |git-repository-url = ")[^"\s]+"#)?;
    for file in [
        "README.md",
        "book/book.toml",
        "book/src/start.md",
        "book/src/teach/mail.md",
    ] {
        let text = read(&top().join(file))?;
        ensure!(
            place.is_match(&text),
            "{file} does not say where the repository is"
        );
        expect_fresh(&top().join(file), &place.replace_all(&text, &wanted))?;
    }
    // And book.toml, where the book is.
    let book = read(&top().join("book/book.toml"))?;
    let book = Regex::new(r#"(?m)^site-url = "(.*)"$"#)?.captures(&book);
    let wanted = format!("${{1}}{}${{2}}", &book.context("find `site-url`")?[1]);
    let place = Regex::new(r"(?m)^(\[the (?:Chinese )?book\]: ).*?(zh-Hans/)?$")?;
    let readme = readme()?;
    ensure!(
        place.is_match(&readme.text),
        "README does not say where the book is"
    );
    expect_fresh(&readme.path, &place.replace_all(&readme.text, &wanted))
}

/// All packages have one version, the newest of the changelog, which has its date.
pub fn the_version_is_one() -> Result<()> {
    let changelog = read(&top().join("CHANGELOG.md"))?;
    let newest = Regex::new(r"(?m)^## (\S+) \(\d{4}-\d\d-\d\d\)$")?;
    let newest = newest.captures(&changelog).context("find a version")?;
    let lock = read(&top().join("Cargo.lock"))?;
    // What comes from elsewhere says from where.
    let ours = Regex::new(r#"(?m)^name = "(.*)"\nversion = "(.*)"\n(dependencies|\n)"#)?;
    let mut count = 0;
    for found in ours.captures_iter(&lock) {
        let [name, version] = [&found[1], &found[2]];
        ensure!(
            *version == newest[1],
            "{name} is {version}, and the changelog's newest version {}",
            &newest[1]
        );
        count += 1;
    }
    ensure!(count > 20, "there are only {count} packages");
    Ok(())
}

/// Builds the book in a folder, in no more time than a reader would wait.
pub fn build(program: &str, folder: &Path) -> Result<()> {
    let mut builder = Command::new(program);
    if program == "mdbook" {
        builder.args(["build", "book", "--dest-dir"]);
    }
    builder.arg(folder).current_dir(top());
    let builder = builder.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut builder = builder.spawn().context(format!("execute {program}"))?;
    let mut patience = Patience::new(5_000);
    while builder.try_wait().context("wait for mdbook")?.is_none() {
        ensure!(!patience.is_over(), "the book takes more than 5 s to build");
        thread::sleep(Duration::from_millis(5));
    }
    let output = builder
        .wait_with_output()
        .context("read what mdbook says")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let is_clean = !said.contains("WARN") && !said.contains("ERROR");
    ensure!(output.status.success() && is_clean, "mdbook says:\n{said}");
    Ok(())
}

pub fn mdbook_builds_without_a_warning() -> Result<()> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    build("mdbook", folder.path())
}

/// In both languages.
pub fn links_are_alive() -> Result<()> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    build("book/build", folder.path())?;
    let mut lychee = Command::new("lychee");
    lychee.args([
        "--offline",
        "--include-fragments",
        "--no-progress",
        "--root-dir",
    ]);
    let output = lychee.args([folder.path(), folder.path()]).output();
    let output = output.context("execute lychee")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "lychee says:\n{said}");
    // A run that finds no links to look at is none.
    let counted = Regex::new(r"(\d+) (OK|Total)")?;
    let counted = counted.captures(&said).context("count the links")?;
    let count: usize = counted[1].parse()?;
    ensure!(count > 2000, "lychee looked at {count} links only");
    Ok(())
}
