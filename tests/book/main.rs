//! The book tells the truth: what it shows of code, differences and terminals is what
//! there is. `BOOK=write cargo test -p book` writes anew what is not.

mod chinese;
mod console;
mod exercises;
mod laptop;
mod leaks_picture;
mod machine;
mod pictures;
mod recording;
mod rules;
mod sources;
mod terminal;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Once;
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use common::{find_in_path, write_whole};
use course::STEPS;
use libtest_mimic::{Failed, Trial};
use similar::TextDiff;
use testkit::suite;

use crate::laptop::Laptop;
use crate::sources::{Page, files, generated, pages, read, top};

/// Tests, each with the name of its function. One that takes tools is ignored without them,
/// which `.ci/run` does not let pass.
macro_rules! trials {
    ($($($module:ident)::+ $(takes [$($tool:literal),+])?,)+) => {
        vec![$(trial(
            [$(stringify!($module)),+].last().copied().unwrap_or_default(),
            &[$($($tool),+)?],
            $($module)::+,
        )),+]
    };
}

fn main() -> ExitCode {
    let mut trials = trials![
        listings_are_fresh,
        differences_are_fresh,
        pictures_are_fresh,
        leaks_picture_is_fresh takes ["unshare", "bwrap", "crun", "runc"],
        leaks_picture::the_picture_tells_its_story_in_words,
        console::a_wrong_transcript_does_not_match,
        exercises::exercises_are_fresh,
        exercises::every_exercise_is_in_its_chapter,
        exercises::one_day_has_all_exercises,
        rules::every_step_has_a_chapter,
        rules::every_page_is_in_the_summary,
        rules::every_include_exists,
        rules::no_code_is_typed,
        rules::no_page_names_this_machine,
        rules::blocks_to_type_are_short,
        rules::chapters_are_one_sitting,
        rules::paragraphs_are_short,
        rules::the_address_is_one,
        rules::the_version_is_one,
        rules::a_reader_sees_the_same_prompts,
        rules::mdbook_builds_without_a_warning takes ["mdbook"],
        rules::links_are_alive takes ["mdbook", "mdbook-gettext", "lychee"],
        chinese::each_translation_has_the_links_of_its_text,
        chinese::each_term_has_one_form,
        machine::every_exception_is_needed,
        recording::recordings_are_of_pages,
    ];
    match pages() {
        Ok(pages) => {
            trials.extend(pages.iter().filter_map(machine::transcript));
            trials.push(machine_trial(
                "machine_is_of_these_sources",
                machine::is_of_these_sources,
            ));
            trials.extend(pages.into_iter().filter_map(|page| transcript(page, &[])));
        }
        Err(error) => trials.push(trial("pages", &[], move || Err(error))),
    }
    match sources::readme() {
        Ok(page) => trials.extend(transcript(page, &["termtosvg-ng"])),
        Err(error) => trials.push(trial("page::README", &[], move || Err(error))),
    }
    // Then somebody asks about a program of theirs, which says nothing about the book.
    if env::var_os("CONTAINER").is_some() {
        trials.clear();
    }
    suite::run_all(suite::Selection::from_args(), trials)
}

/// The same, of the machine in the pages: ignored as long as that has not been made.
fn machine_trial(name: &str, check: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let trial = trial(name, &["node"], check);
    let is_ignored = trial.has_ignored_flag() || !machine::is_made();
    trial.with_ignored_flag(is_ignored)
}

fn trial(name: &str, tools: &[&str], check: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let trial = Trial::test(name, || {
        check().map_err(|error| Failed::from(format!("{error:#}")))
    });
    trial.with_ignored_flag(tools.iter().any(|tool| find_in_path(tool).is_none()))
}

/// Does `BOOK=write` ask us to write what is not fresh?
fn is_writing() -> bool {
    env::var_os("BOOK").is_some_and(|word| word == "write")
}

/// Fails unless the file holds `text`, or makes it hold that.
fn expect_fresh(path: &Path, text: &str) -> Result<()> {
    let old = fs::read_to_string(path).unwrap_or_default();
    if old == text {
        return Ok(());
    }
    let name = path.strip_prefix(top()).unwrap_or(path).display();
    if is_writing() {
        let folder = path.parent().context("find the folder")?;
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        return write_whole(path, text).with_context(|| format!("write {name}"));
    }
    let difference = TextDiff::from_lines(old.as_str(), text);
    let difference = difference.unified_diff().context_radius(2).to_string();
    bail!(
        "{name} is not what it should be (`BOOK=write cargo test -p book` writes it):\n\
         {difference}"
    );
}

/// Every listing that a page includes is cut from a program as it is.
fn listings_are_fresh() -> Result<()> {
    for path in included(".rs")? {
        expect_fresh(&generated().join(&path), &sources::listing(&path)?)?;
    }
    Ok(())
}

/// The difference that each chapter shows is that between the programs as they are.
fn differences_are_fresh() -> Result<()> {
    let included = included(".diff")?;
    for pair in STEPS.windows(2) {
        let text = sources::difference(pair[0], pair[1])?;
        expect_shown(&included, format!("diffs/{}.diff", pair[1]), &text)?;
    }
    Ok(())
}

/// Each chapter shows its picture, and README those that are left.
fn pictures_are_fresh() -> Result<()> {
    let included = included(".svg")?;
    for (name, picture) in pictures::all(&read(&top().join("book/drawing.svg"))?)? {
        expect_shown(&included, format!("pictures/{name}.svg"), &picture)?;
    }
    Ok(())
}

fn expect_shown(included: &[PathBuf], name: String, text: &str) -> Result<()> {
    ensure!(
        included.contains(&PathBuf::from(&name)),
        "no page includes {name}"
    );
    expect_fresh(&generated().join(name), text)
}

/// The generated files with this ending that pages include. No other may be there.
fn included(ending: &str) -> Result<Vec<PathBuf>> {
    let mut included = Vec::new();
    for page in pages()?.into_iter().chain([sources::readme()?]) {
        included.extend(page.includes()?);
    }
    for path in files(&generated(), ending)? {
        if !included.contains(&path) {
            ensure!(is_writing(), "no page includes {}", path.display());
            fs::remove_file(&path).context("delete what no page includes")?;
        }
    }
    let made = included
        .iter()
        .filter_map(|path| path.strip_prefix(generated()).ok());
    let made = made.filter(|path| path.to_string_lossy().ends_with(ending));
    Ok(made.map(PathBuf::from).collect())
}

/// What `leaks` says today of each step, and of some tools, is what the picture shows.
fn leaks_picture_is_fresh() -> Result<()> {
    provide_programs();
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let programs = scratch.with_file_name("debug");
    let rootfs = suite::provide_rootfs(scratch)?;
    let columns = leaks_picture::columns(&programs, &rootfs)?;
    let picture = leaks_picture::draw(&columns);
    expect_fresh(&generated().join("pictures/leaks.svg"), &picture)
}

/// The test that a page's transcripts are true, if it has any, and its recording, if it has one.
fn transcript(page: Page, tools: &[&str]) -> Option<Trial> {
    let Page { name, path, text } = page;
    let blocks = console::blocks(&text);
    if blocks.is_empty() {
        return None;
    }
    let title = name.trim_end_matches(".md").to_owned();
    Some(trial(&format!("page::{title}"), tools, move || {
        // Namespaces are a thread's: with this one the laptop is gone, too.
        let play = thread::spawn(move || {
            provide_programs();
            let rootfs = suite::provide_rootfs(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
            // The first page shows how to make one.
            let rootfs = (name != "start.md").then_some(rootfs);
            let laptop = Laptop::enter(rootfs.as_deref())?;
            let mut terminals = [laptop.open_terminal()?, laptop.open_terminal()?];
            if recording::is_of(name.trim_end_matches(".md")) {
                terminals[0].record()?;
            }
            let blocks: Vec<_> = blocks.iter().collect();
            let (played, recording) = console::play(terminals, &blocks).context(name)?;
            Ok((console::rewrite(&text, &played), played, recording))
        });
        let panicked = |_| Err(anyhow!("the test itself panicked"));
        let (text, played, recording) = play.join().unwrap_or_else(panicked)?;
        expect_fresh(&path, &text)?;
        if let (Some(transcript), Some(recording)) = (played.first(), recording) {
            recording::expect(&title, transcript, &recording)?;
        }
        if title == "README" {
            recording::expect_picture()?;
        }
        Ok(())
    }))
}

/// Builds what pages run, programs and tests, once, so that no page has to.
fn provide_programs() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        for what in [&["build"][..], &["test", "--no-run"]] {
            // If it fails, the pages' own cargo will say why.
            Command::new(&cargo)
                .args(what)
                .arg("--quiet")
                .current_dir(top())
                .status()
                .ok();
        }
    });
}
