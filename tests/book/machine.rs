//! The machine in the pages: the same transcripts, typed into it. `book/machine/make` makes it,
//! and Node runs it here, where no browser is.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::iter::zip;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use regex::Regex;
use serde_json::Value;
use similar::TextDiff;
use tempfile::TempDir;

use crate::console::{self, Block};
use crate::sources::{Page, pages, read, top};
use crate::terminal::Terminal;

use crate::machine_trial;

/// How many times slower than here things are in an emulator, as far as somebody waits for them.
const SLOWNESS: u64 = 4;

/// What its shells are told first.
const SET_UP: &str = "export TERM=dumb CARGO_TERM_QUIET=true";

/// Where the machine is made. `machine.json` tells what else there is.
fn made() -> PathBuf {
    top().join("book/src/machine")
}

/// Is there a machine in this copy of the book?
pub fn is_made() -> bool {
    made().join("machine.json").exists()
}

/// The machine, until it is dropped.
struct Machine {
    node: Child,
    /// Where its terminals are.
    folder: TempDir,
}

impl Machine {
    fn start() -> Result<Self> {
        let about: Value = serde_json::from_str(&read(&made().join("machine.json"))?)?;
        let files = about["folder"].as_str().context("find the files' folder")?;
        let folder = tempfile::tempdir().context("make a folder")?;
        let mut node = Command::new("node")
            .arg(top().join("book/machine/terminals.mjs"))
            .arg(made().join(files).join("state.zst"))
            .arg(folder.path())
            // It ends when this is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("execute node")?;
        let output = node.stdout.take().context("take what node says")?;
        let machine = Self { node, folder };
        let said = BufReader::new(output).read_line(&mut String::new());
        ensure!(
            said.context("wait for node")? > 0,
            "the machine does not start"
        );
        Ok(machine)
    }

    fn open_terminal(&self, number: usize) -> Result<Terminal> {
        let socket = UnixStream::connect(self.folder.path().join(number.to_string()));
        let file = File::from(OwnedFd::from(socket.context("connect to a terminal")?));
        Terminal::of_machine(file, SLOWNESS, SET_UP)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.node.kill().ok();
        self.node.wait().ok();
    }
}

/// What is built in the machine is what `programs` builds of these sources.
pub fn is_of_these_sources() -> Result<()> {
    const SUMS: &str = "find . -maxdepth 1 -type f | LC_ALL=C sort | xargs sha256sum";
    let built = tempfile::tempdir().context("make a folder")?;
    let programs = top().join("book/machine/programs");
    let status = Command::new(programs).arg(built.path()).status();
    ensure!(
        status.context("execute book/machine/programs")?.success(),
        "it does not build them"
    );
    let machine = Machine::start()?;
    let mut terminal = machine.open_terminal(0)?;
    for (ours, its) in [
        ("", "/root/containers/target/debug"),
        ("changed", "/usr/lib/changed"),
    ] {
        let mut shell = Command::new("sh");
        let output = shell
            .args(["-c", SUMS])
            .current_dir(built.path().join(ours))
            .output();
        let ours = String::from_utf8(output.context("execute sh")?.stdout)?;
        terminal.type_text(&format!("cd {its}; {SUMS}\n"))?;
        terminal.wait_for_prompt()?;
        let its = terminal.screen()?.lines[1..].join("\n") + "\n";
        let difference = TextDiff::from_lines(&its, &ours);
        let difference = difference.unified_diff().context_radius(0).to_string();
        ensure!(
            its == ours,
            "the machine is not of these sources: make it again\n{difference}"
        );
    }
    Ok(())
}

/// A pattern for commands that cannot be typed there, and the reason.
struct Exception {
    pattern: Regex,
    reason: String,
}

/// The one list of them, which the pages read, too.
fn exceptions() -> Result<Vec<Exception>> {
    let text = read(&top().join("book/machine/cannot.json"))?;
    let rows: Vec<(String, String)> = serde_json::from_str(&text).context("read cannot.json")?;
    let exceptions = rows.into_iter().map(|(pattern, reason)| {
        let pattern = Regex::new(&pattern)?;
        Ok(Exception { pattern, reason })
    });
    exceptions.collect()
}

impl Exception {
    fn concerns(&self, block: &Block) -> bool {
        block
            .commands()
            .any(|command| self.pattern.is_match(command))
    }
}

/// Each exception is one for some block, and has a reason.
pub fn every_exception_is_needed() -> Result<()> {
    let pages = pages()?;
    let blocks: Vec<Block> = pages
        .iter()
        .flat_map(|page| console::blocks(&page.text))
        .collect();
    for exception in exceptions()? {
        ensure!(
            blocks.iter().any(|block| exception.concerns(block)) && !exception.reason.is_empty(),
            "book/machine/cannot.json: no block has {}, or it has no reason",
            exception.pattern
        );
    }
    Ok(())
}

/// The test that a page's transcripts are true in the machine, but for the exceptions.
pub fn transcript(page: &Page) -> Option<Trial> {
    let blocks = console::blocks(&page.text);
    if blocks.is_empty() {
        return None;
    }
    let title = format!("machine::{}", page.name.trim_end_matches(".md"));
    let text = page.text.clone();
    Some(machine_trial(&title, move || {
        let exceptions = exceptions()?;
        let is_left_out = |block: &&Block| exceptions.iter().any(|it| it.concerns(block));
        let (left_out, blocks): (Vec<_>, Vec<_>) = blocks.iter().partition(is_left_out);
        if blocks.is_empty() {
            return Ok(());
        }
        let machine = Machine::start()?;
        let terminals = [machine.open_terminal(0)?, machine.open_terminal(1)?];
        let (played, _) = console::play(terminals, &blocks)?;
        let mut all: Vec<_> = zip(blocks, played).collect();
        all.extend(
            left_out
                .into_iter()
                .map(|block| (block, block.lines().to_vec())),
        );
        all.sort_by_key(|(block, _)| block.start());
        let all: Vec<_> = all.into_iter().map(|(_, lines)| lines).collect();
        let seen = console::rewrite(&text, &all);
        let difference = TextDiff::from_lines(&text, &seen);
        let difference = difference.unified_diff().context_radius(2).to_string();
        ensure!(
            text == seen,
            "in the machine the page's transcripts differ:\n{difference}"
        );
        Ok(())
    }))
}
