//! Where things lie, and what is cut from the sources: listings and differences.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use course::STEPS;
use path_clean::PathClean;
use regex::Regex;
use similar::TextDiff;
use syn::spanned::Spanned;
use syn::{ImplItem, Item};
use walkdir::WalkDir;

/// The workspace's top folder.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").clean()
}

/// The folder of what is made for the pages.
pub fn generated() -> PathBuf {
    top().join("book/generated")
}

/// Reads a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// All files below a folder whose names end so, in order.
pub fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let path = entry.context("list a folder")?.into_path();
        if path.is_file() && path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    Ok(found)
}

/// A page of the book.
pub struct Page {
    /// Its path from the folder of the pages.
    pub name: String,
    pub path: PathBuf,
    pub text: String,
}

/// All pages, and the summary.
pub fn pages() -> Result<Vec<Page>> {
    pages_in(&top().join("book/src"))
}

/// All pages below a folder.
pub fn pages_in(folder: &Path) -> Result<Vec<Page>> {
    let paths = files(folder, ".md")?.into_iter();
    let pages = paths.map(|path| {
        let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
        let text = read(&path)?;
        Ok(Page { name, path, text })
    });
    pages.collect()
}

/// What a new reader reads first. It is no page of the book, but as true.
pub fn readme() -> Result<Page> {
    let name = "README.md";
    let path = top().join(name);
    let text = read(&path)?;
    Ok(Page {
        name: name.into(),
        path,
        text,
    })
}

/// The page with a name.
pub fn page(name: &str) -> Result<Page> {
    let mut pages = pages()?.into_iter();
    let page = pages.find(|page| page.name == name);
    page.with_context(|| format!("there is no page {name}"))
}

/// The chapters, in the order of the steps.
pub fn chapters() -> Result<Vec<Page>> {
    STEPS
        .iter()
        .map(|step| page(&format!("{step}.md")))
        .collect()
}

impl Page {
    /// The files that it includes, or shows as pictures.
    pub fn includes(&self) -> Result<Vec<PathBuf>> {
        let include = Regex::new(r#"(?:\{\{#include |src(?:set)?=")([^}:"]+)"#)?;
        let folder = self.path.parent().context("find the page's folder")?;
        let names = include.captures_iter(&self.text);
        Ok(names.map(|found| folder.join(&found[1]).clean()).collect())
    }
}

/// The listing at `PROGRAM/ITEM.rs`: one item of a program, with its comments.
///
/// PROGRAM is a step, `answers/NAME` for an answer to an exercise, or `rootfs`.
pub fn listing(path: &Path) -> Result<String> {
    let item = path.file_stem().context("find the item's name")?;
    let program = path.parent().context("find the program's name")?;
    for source in program_sources(program)? {
        if let Some(text) = cut(&read(&source)?, &item.to_string_lossy())? {
            return Ok(text);
        }
    }
    bail!("there is no {item:?} in {}", program.display())
}

fn program_sources(program: &Path) -> Result<Vec<PathBuf>> {
    if let Ok(name) = program.strip_prefix("answers") {
        let exercise = course::exercise(&name.to_string_lossy());
        let exercise = exercise.with_context(|| format!("there is no answer {name:?}"))?;
        let step = STEPS[usize::from(exercise.step) - 1];
        let answer = top().join(step).join("answers").join(name);
        let mut found = vec![answer.with_extension("rs")];
        if answer.is_dir() {
            found.extend(files(&answer, ".rs")?);
        }
        return Ok(found);
    }
    match program.to_str() {
        Some("rootfs") => files(&top().join("tests/tools/rootfs/src"), ".rs"),
        _ => files(&top().join(program).join("src"), ".rs"),
    }
}

/// Cuts an item out of a source: a function, method or constant.
fn cut(source: &str, item: &str) -> Result<Option<String>> {
    let file = syn::parse_file(source).context("parse a source")?;
    let mut named = file.items.iter().flat_map(|found| match found {
        Item::Const(found) => vec![(&found.ident, found.span())],
        Item::Fn(found) => vec![(&found.sig.ident, found.span())],
        Item::Impl(block) => {
            let methods = block.items.iter().filter_map(|found| match found {
                ImplItem::Fn(method) => Some((&method.sig.ident, method.span())),
                _ => None,
            });
            methods.collect()
        }
        _ => vec![],
    });
    let Some((_, span)) = named.find(|(name, _)| *name == item) else {
        return Ok(None);
    };
    let lines = source.lines().take(span.end().line);
    let lines = lines.skip(span.start().line - 1);
    let indent = span.start().column;
    let lines = lines.map(|line| line.get(indent..).unwrap_or_default());
    Ok(Some(lines.collect::<Vec<_>>().join("\n") + "\n"))
}

/// The difference between a step's main.rs and that of the step before, without what stands
/// on top of each: the chapter tells that. So no number of a line is right, and none is shown.
pub fn difference(before: &str, after: &str) -> Result<String> {
    let about = Regex::new(r"^(//!.*\n)*")?;
    let [old, new] = [before, after].map(|step| format!("{step}/src/main.rs"));
    let [old_text, new_text] = [read(&top().join(&old))?, read(&top().join(&new))?];
    let diff = TextDiff::from_lines(
        &old_text[about.find(&old_text).map_or(0, |found| found.end())..],
        &new_text[about.find(&new_text).map_or(0, |found| found.end())..],
    );
    let mut diff = diff.unified_diff();
    let diff = diff.context_radius(2).header(&old, &new).to_string();
    let place = Regex::new(r"(?m)^@@ .*$")?;
    Ok(place.replace_all(&diff, "@@").into_owned())
}
