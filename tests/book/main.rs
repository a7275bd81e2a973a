//! The book tells the truth: what it shows of code, differences and terminals is what
//! there is. `BOOK=write cargo test -p book` writes anew what is not.

mod console;
mod exercises;
mod laptop;
mod leaks_picture;
mod pictures;
mod rules;
mod sources;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Once;
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use libtest_mimic::{Failed, Trial};
use similar::TextDiff;
use testkit::{suite, write_whole};

use crate::laptop::Laptop;
use crate::sources::{STEPS, files, generated, pages, read, top};

fn main() -> ExitCode {
    let mut trials = vec![
        trial("listings_are_fresh", listings_are_fresh),
        trial("differences_are_fresh", differences_are_fresh),
        trial("exercises_are_fresh", exercises_are_fresh),
        trial("pictures_are_fresh", pictures_are_fresh),
        trial(
            "a_wrong_transcript_does_not_match",
            console::a_wrong_transcript_does_not_match,
        ),
        trial(
            "the_picture_tells_its_story_in_words",
            leaks_picture::the_picture_tells_its_story_in_words,
        ),
    ];
    trials.extend(rules::ALL.iter().map(|(name, rule)| trial(name, *rule)));
    let tools = ["unshare", "bwrap", "crun", "runc"];
    let leaks = trial("leaks_picture_is_fresh", leaks_picture_is_fresh);
    trials.push(leaks.with_ignored_flag(!tools.iter().all(|tool| rules::has_tool(tool))));
    trials.extend(rules::with_tools());
    match files(&pages(), ".md") {
        Ok(pages) => trials.extend(pages.into_iter().filter_map(transcript)),
        Err(error) => trials.push(trial("pages", move || bail!("{error:#}"))),
    }
    // Then somebody asks about a program of theirs, which says nothing about the book.
    if env::var_os("CONTAINER").is_some() {
        trials.clear();
    }
    suite::run_all(suite::Selection::from_args(), trials)
}

fn trial(name: &str, check: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        check().map_err(|error| Failed::from(format!("{error:#}")))
    })
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

/// Every listing that a page includes is cut from a program as it is, and no other is there.
fn listings_are_fresh() -> Result<()> {
    let wanted = wanted(".rs")?;
    ensure!(!wanted.is_empty(), "no page includes a listing");
    for path in wanted {
        expect_fresh(&generated().join(&path), &sources::listing(&path)?)?;
    }
    Ok(())
}

/// The difference that each chapter shows is that between the programs as they are.
fn differences_are_fresh() -> Result<()> {
    let wanted = wanted(".diff")?;
    for pair in STEPS.windows(2) {
        let path = PathBuf::from(format!("diffs/{}.diff", pair[1]));
        ensure!(
            wanted.contains(&path),
            "no page includes {}",
            path.display()
        );
        expect_fresh(
            &generated().join(path),
            &sources::difference(pair[0], pair[1])?,
        )?;
    }
    Ok(())
}

/// Each exercise says how hard it is and how long it takes.
fn exercises_are_fresh() -> Result<()> {
    let mut pages = exercises::with_lines()?.into_iter();
    pages.try_for_each(|(path, text)| expect_fresh(&path, &text))
}

/// Each chapter shows its picture.
fn pictures_are_fresh() -> Result<()> {
    let wanted = wanted(".svg")?;
    for (name, picture) in pictures::all(&read(&top().join("book/drawing.svg"))?)? {
        let path = PathBuf::from(format!("pictures/{name}.svg"));
        ensure!(
            wanted.contains(&path),
            "no page includes {}",
            path.display()
        );
        expect_fresh(&generated().join(path), &picture)?;
    }
    Ok(())
}

/// The generated files with this ending that pages include. No other may be there.
fn wanted(ending: &str) -> Result<Vec<PathBuf>> {
    let mut wanted = Vec::new();
    for page in files(&pages(), ".md")? {
        let includes = sources::includes(&page)?;
        let made = includes
            .iter()
            .filter_map(|path| path.strip_prefix("../generated").ok());
        wanted.extend(
            made.filter(|path| path.to_string_lossy().ends_with(ending))
                .map(PathBuf::from),
        );
    }
    for path in files(&generated(), ending)? {
        if !wanted.contains(&path) {
            ensure!(is_writing(), "no page includes {}", path.display());
            fs::remove_file(generated().join(&path)).context("delete what no page includes")?;
        }
    }
    Ok(wanted)
}

/// What `leaks` says today of each step, and of some tools, is what the picture shows.
fn leaks_picture_is_fresh() -> Result<()> {
    provide_programs();
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let programs = scratch.with_file_name("debug");
    let rootfs = suite::provide_rootfs(scratch)?;
    let columns = leaks_picture::columns(&programs, &rootfs, scratch)?;
    let picture = leaks_picture::draw(&columns);
    expect_fresh(&generated().join("pictures/leaks.svg"), &picture)
}

/// The test that a page's transcripts are true, if it has any.
fn transcript(page: PathBuf) -> Option<Trial> {
    let path = pages().join(&page);
    let text = read(&path).ok()?;
    let blocks = console::blocks(&text);
    if blocks.is_empty() {
        return None;
    }
    let name = format!("page::{}", page.with_extension("").display());
    Some(trial(&name, move || {
        // Namespaces are a thread's: with this one the laptop is gone, too.
        let play = thread::spawn(move || {
            provide_programs();
            let rootfs = suite::provide_rootfs(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
            // The first page shows how to make one.
            let rootfs = (page != Path::new("start.md")).then_some(rootfs);
            let laptop = Laptop::enter(rootfs.as_deref())?;
            console::play(&laptop, &blocks).map(|played| (blocks, played))
        });
        let played = play
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the test itself panicked")));
        let (blocks, played) = played.with_context(|| path.display().to_string())?;
        expect_fresh(&path, &console::rewrite(&text, &blocks, &played))
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
