//! Recordings: what a terminal shows while the first transcript of a page is typed into it, and
//! when, as asciinema's players read it. It is of the run that the transcript is compared with.
//!
//! The one that is there stays as long as it shows what the page shows.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use course::STEPS;
use serde_json::{Value, json};

use crate::console::{self, PROMPT};
use crate::sources::{files, generated, read, top};
use crate::terminal::Screen;
use crate::{expect_fresh, is_writing};

/// Narrow, since a phone shows all of it, but wider if a line is longer; and lower if that is enough.
const WIDTH: usize = 64;
const HEIGHT: usize = 24;

/// A player waits no longer than this, in seconds.
const LONGEST_PAUSE: f64 = 1.5;

/// What a terminal has shown, and when.
pub struct Recording {
    start: Instant,
    events: Vec<(Duration, String)>,
}

impl Recording {
    /// Begins one with what the terminal shows.
    pub fn begin(shown: &str) -> Self {
        Self {
            start: Instant::now(),
            events: vec![(Duration::ZERO, shown.into())],
        }
    }

    /// Takes down what is shown now.
    pub fn take(&mut self, shown: &[u8]) {
        let text = String::from_utf8_lossy(shown).into_owned();
        self.events.push((self.start.elapsed(), text));
    }

    /// The same as a cast, version 2.
    pub fn cast(&self) -> String {
        let text: String = self.events.iter().map(|(_, text)| text.as_str()).collect();
        let lines = text.lines().map(|line| line.chars().count() + 1);
        let head = json!({
            "version": 2,
            "width": lines.clone().max().unwrap_or_default().max(WIDTH),
            "height": lines.count().min(HEIGHT),
            "idle_time_limit": LONGEST_PAUSE,
        });
        let events = self.events.iter().map(|(time, text)| {
            let milliseconds = time.as_millis() as f64;
            json!([milliseconds / 1000.0, "o", text])
        });
        let lines = [head].into_iter().chain(events);
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// Is all that a page shows what a cast shows?
fn is_true(transcript: &[String], cast: &str) -> Result<bool> {
    let mut page = transcript.to_vec();
    for index in 1..page.len() {
        // What comes in the background may cover the prompt at which something is typed.
        if page[index - 1] == "…" {
            page[index] = PROMPT.replace(&page[index], "…").into_owned();
        }
    }
    Ok(console::matches(&page, &lines(cast)?))
}

/// All that a cast shows.
fn lines(cast: &str) -> Result<Vec<String>> {
    let mut text = String::new();
    for line in cast.lines().skip(1) {
        let event: Value = serde_json::from_str(line).context("read an event of a cast")?;
        text += event[2].as_str().context("find what an event shows")?;
    }
    Ok(Screen::of(text.as_bytes()).lines)
}

fn folder() -> PathBuf {
    generated().join("recordings")
}

fn file(name: &str) -> PathBuf {
    folder().join(name)
}

/// Is this a page whose first transcript is recorded?
pub fn is_of(page: &str) -> bool {
    page == "README" || STEPS.contains(&page)
}

/// Fails unless the recording of a page shows what the first transcript on it shows, or makes
/// it what was recorded now.
pub fn expect(page: &str, transcript: &[String], now: &Recording) -> Result<()> {
    let path = file(&format!("{page}.cast"));
    let old = fs::read_to_string(&path).unwrap_or_default();
    if !is_true(transcript, &old).unwrap_or_default() {
        ensure!(
            is_writing(),
            "the recording of {page} does not show what the page shows \
             (`BOOK=write cargo test -p book` makes it anew), but: {:#?}",
            lines(&old).unwrap_or_default()
        );
        expect_fresh(&path, &now.cast())?;
    }
    ensure!(
        is_true(transcript, &read(&path)?)?,
        "the recording of {page} is not one"
    );
    Ok(())
}

/// README's, as a picture that moves: GitHub plays no casts.
pub fn expect_picture() -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let picture = folder.path().join("picture.svg");
    let output = Command::new("termtosvg-ng")
        .arg("render")
        .args([&file("README.cast"), &picture])
        .args(["--max-frame-duration", "1500", "--loop-delay", "4000"])
        .arg("--template")
        .arg(top().join("book/terminal.svg"))
        .output()
        .context("execute termtosvg-ng")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "termtosvg-ng says:\n{said}");
    let picture = read(&picture)?;
    ensure!(
        picture.len() <= 300_000,
        "{} bytes are too many",
        picture.len()
    );
    expect_fresh(&file("README.svg"), &picture)
}

/// There is one for each of these pages, no other, and none tells about this machine.
pub fn recordings_are_of_pages() -> Result<()> {
    let casts = files(&folder(), ".cast")?;
    for cast in &casts {
        let name = cast.file_stem().unwrap_or_default().to_string_lossy();
        ensure!(is_of(&name), "no page has the recording {name}");
        let top = top().display().to_string();
        ensure!(
            !read(cast)?.contains(&top),
            "the recording {name} names {top}"
        );
    }
    let count = STEPS.len() + 1;
    ensure!(
        is_writing() || casts.len() == count,
        "there are {} recordings, not {count}",
        casts.len()
    );
    Ok(())
}
