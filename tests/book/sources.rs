//! Where things lie, and what is cut from the sources: listings and differences.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
pub use course::STEPS;
use proc_macro2::Span;
use regex::Regex;
use similar::TextDiff;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The workspace's top folder.
pub fn top() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}

/// The folder of the book's pages.
pub fn pages() -> PathBuf {
    top().join("book/src")
}

/// The folder of what is made for them.
pub fn generated() -> PathBuf {
    top().join("book/generated")
}

/// Reads a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// All files below a folder whose names end so, as paths from that folder, in order.
pub fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next).with_context(|| format!("list {}", next.display()))?;
        for entry in entries {
            let path = entry.context("list a folder")?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path.strip_prefix(folder)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What a page includes, as paths from the folder of the pages.
pub fn includes(page: &Path) -> Result<Vec<PathBuf>> {
    let include = Regex::new(r"\{\{#include ([^}:]+)[^}]*\}\}")?;
    let text = read(&pages().join(page))?;
    let folder = page.parent().unwrap_or(Path::new(""));
    let paths = include
        .captures_iter(&text)
        .map(|found| folder.join(&found[1]));
    Ok(paths.map(|path| normal(&path)).collect())
}

/// The path without `folder/..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        let is_up = part.as_os_str() == ".." && normal.file_name().is_some();
        if !is_up || !normal.pop() {
            normal.push(part);
        }
    }
    normal
}

/// The listing at `PROGRAM/ITEM.rs`: one item of a program, with its comments.
///
/// PROGRAM is a step, `answers/NAME` for an answer to an exercise, or `rootfs`.
pub fn listing(path: &Path) -> Result<String> {
    let item = path.file_stem().context("find the item's name")?;
    let item = item.to_string_lossy();
    let program = path.parent().context("find the program's name")?;
    for source in program_sources(program)? {
        if let Some(text) = cut(&read(&source)?, &item)? {
            return Ok(text);
        }
    }
    bail!("there is no `{item}` in {}", program.display())
}

fn program_sources(program: &Path) -> Result<Vec<PathBuf>> {
    if let Ok(name) = program.strip_prefix("answers") {
        return answer_sources(name);
    }
    if program == Path::new("rootfs") {
        return Ok(vec![top().join("tests/rootfs/src/lib.rs")]);
    }
    let folder = top().join(program).join("src");
    let files = ["main.rs", "cgroup.rs", "hierarchy.rs", "command.rs"];
    let found = files.map(|file| folder.join(file));
    Ok(found.into_iter().filter(|path| path.exists()).collect())
}

/// `answers/NAME.rs` of some step, and what lies in `answers/NAME`.
fn answer_sources(name: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for step in STEPS {
        let folder = top().join(step).join("answers").join(name);
        let program = folder.with_extension("rs");
        found.extend(program.exists().then_some(program));
        if folder.is_dir() {
            found.extend(files(&folder, ".rs")?.iter().map(|file| folder.join(file)));
        }
    }
    ensure!(!found.is_empty(), "there is no answer {}", name.display());
    Ok(found)
}

/// Cuts an item out of a source: a function, method, constant or type.
fn cut(source: &str, item: &str) -> Result<Option<String>> {
    let file = syn::parse_file(source).context("parse a source")?;
    let mut finder = Finder { item, found: None };
    finder.visit_file(&file);
    let Some(span) = finder.found else {
        return Ok(None);
    };
    let lines: Vec<&str> = source.lines().collect();
    let lines = &lines[span.start().line - 1..span.end().line];
    let indent = lines[0].len() - lines[0].trim_start().len();
    let lines = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default());
    Ok(Some(lines.collect::<Vec<_>>().join("\n") + "\n"))
}

struct Finder<'a> {
    item: &'a str,
    found: Option<Span>,
}

impl Finder<'_> {
    fn look(&mut self, name: &syn::Ident, whole: Span) {
        if name == self.item {
            self.found.get_or_insert(whole);
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::Item::{Const, Enum, Fn, Static, Struct, Type};
        match item {
            Const(x) => self.look(&x.ident, item.span()),
            Enum(x) => self.look(&x.ident, item.span()),
            Fn(x) => self.look(&x.sig.ident, item.span()),
            Static(x) => self.look(&x.ident, item.span()),
            Struct(x) => self.look(&x.ident, item.span()),
            Type(x) => self.look(&x.ident, item.span()),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        self.look(&method.sig.ident, method.span());
    }
}

/// The difference between a step's main.rs and that of the step before, without what stands
/// on top of each: the chapter tells that. So no number of a line is right, and none is shown.
pub fn difference(before: &str, after: &str) -> Result<String> {
    let [old, new] = [before, after].map(|step| format!("{step}/src/main.rs"));
    let about = Regex::new(r"^(//!.*\n)*")?;
    let [old_text, new_text] = [read(&top().join(&old))?, read(&top().join(&new))?];
    let [old_text, new_text] =
        [old_text, new_text].map(|text| about.replace(&text, "").into_owned());
    let diff = TextDiff::from_lines(&old_text, &new_text);
    let diff = diff
        .unified_diff()
        .context_radius(2)
        .header(&old, &new)
        .to_string();
    let place = Regex::new(r"(?m)^@@ .*$")?;
    Ok(place.replace_all(&diff, "@@").into_owned())
}
