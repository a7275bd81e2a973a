//! The transcripts: each `console` block of a page is typed into a terminal, and what
//! the terminal shows is compared with what the page shows.
//!
//! - `laptop# cargo run …` is typed; the part before it is the prompt that has to be there.
//! - `^C` in a line of its own is pressed. What is shown after it begins a new line.
//! - `…` stands for any text, a line of only `…` for any lines.
//! - A number of four or more digits stands for a number: the same for the same on the whole
//!   page, and another for another in one block. (In the next one, the kernel may have given
//!   the number of a namespace that has ended to a new one.) A run of spaces stands for any, and
//!   for tabs; a time such as 00:00:00 stands for any.
//! - `console,second` is another terminal on the same laptop. A page begins with new ones.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use regex::{Captures, Regex};

use crate::recording::Recording;
use crate::terminal::{Screen, Terminal};

/// A `console` block of a page.
pub struct Block {
    /// The line of the page that its first line is, counted from 0.
    start: usize,
    lines: Vec<String>,
    is_second: bool,
}

static BLOCK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?ms)^(```console(,second)?\n)(.*?)^```$").expect("this is a regular expression")
});

/// Finds the blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let blocks = BLOCK.captures_iter(page).map(|found| Block {
        start: page[..found.get_match().start()].lines().count() + 1,
        lines: found[3].lines().map(str::to_owned).collect(),
        is_second: found.get(2).is_some(),
    });
    blocks.collect()
}

/// A page with other lines in its blocks.
pub fn rewrite(page: &str, played: &[Vec<String>]) -> String {
    let mut played = played.iter();
    let block = |found: &Captures| {
        let lines = played.next().into_iter().flatten();
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        format!("{}{lines}```", &found[1])
    };
    BLOCK.replace_all(page, block).into_owned()
}

/// What a prompt looks like.
pub static PROMPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(root@)?[a-z][a-z0-9-]*(:[^ ]*)?[#$] ").expect("this is a regular expression")
});

/// The prompt that a line begins with.
pub fn prompt_of(line: &str) -> Option<&str> {
    PROMPT.find(line).map(|found| found.as_str())
}

/// Is this a prompt and nothing more?
pub fn is_prompt(line: &str) -> bool {
    prompt_of(line) == Some(line)
}

/// What a page says is typed, if something is, and what is then shown.
struct Turn<'a> {
    line: Option<&'a str>,
    shown: &'a [String],
}

impl Block {
    /// How many lines it has.
    pub fn length(&self) -> usize {
        self.lines.len()
    }

    /// Where it begins on its page.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The lines, as the page has them.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What is typed into shells.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let typed = self
            .lines
            .iter()
            .filter_map(|line| Some((line, prompt_of(line)?)));
        typed.map(|(line, prompt)| &line[prompt.len()..])
    }

    fn turns(&self) -> Vec<Turn<'_>> {
        let is_typed = |line: &String| line == "^C" || prompt_of(line).is_some();
        let turns = self.lines.chunk_by(|_, next| !is_typed(next));
        let turns = turns.map(|lines| match lines {
            [first, shown @ ..] if is_typed(first) => Turn {
                line: Some(first),
                shown,
            },
            shown => Turn { line: None, shown },
        });
        turns.collect()
    }
}

impl Turn<'_> {
    /// How many lines come before what is shown: what was typed, or what came before.
    fn echo(&self, count: usize) -> usize {
        self.line.map_or(count, |_| 1)
    }

    /// The prompt that a line is typed at.
    fn prompt(&self) -> Option<&str> {
        self.line.and_then(prompt_of)
    }
}

/// Plays all blocks of a page, and returns what each should say: what it says, where that
/// is what happened, and else what happened. With it comes what was recorded of the first.
pub fn play(
    mut terminals: [Terminal; 2],
    blocks: &[&Block],
) -> Result<(Vec<Vec<String>>, Option<Recording>)> {
    // How many lines of each screen a page has accounted for; all, after a `…`.
    let mut counts = [usize::MAX; 2];
    let mut numbers = Numbers::default();
    let mut played = Vec::new();
    let mut recording = None;
    for (index, block) in blocks.iter().enumerate() {
        let terminal = &mut terminals[usize::from(block.is_second)];
        let count = &mut counts[usize::from(block.is_second)];
        let goes_on_elsewhere =
            (blocks.get(index + 1)).is_some_and(|next| next.is_second != block.is_second);
        let turns = block.turns();
        numbers.page.clear();
        let mut lines = Vec::new();
        for (index, turn) in turns.iter().enumerate() {
            let may_run_on = match turns.get(index + 1) {
                Some(next) => next.line == Some("^C"),
                None => goes_on_elsewhere,
            };
            let place = || format!("line {}", block.start + lines.len() + 1);
            let late = late_lines(terminal, turn, *count).with_context(place)?;
            let shown = take_turn(terminal, turn, *count, may_run_on, &numbers);
            let shown = shown.with_context(place)?;
            lines.extend(late);
            lines.extend(turn.line.map(str::to_owned));
            *count = match turn.shown.last().is_some_and(|last| last == "…") {
                true => usize::MAX,
                false => turn.echo(*count) + shown.len(),
            };
            match numbers.matching(turn.shown, &shown) {
                Some(bound) => {
                    numbers = bound;
                    lines.extend(turn.shown.iter().cloned());
                }
                None => lines.extend(shown),
            }
        }
        played.push(lines);
        recording = recording.or(terminal.recorded());
    }
    Ok((played, recording))
}

/// What a program that ran on has shown since, when its shell asks for the next command.
fn late_lines(terminal: &mut Terminal, turn: &Turn, count: usize) -> Result<Vec<String>> {
    let Some(prompt) = turn.prompt() else {
        return Ok(Vec::new());
    };
    terminal.wait_for_prompt()?;
    let Screen {
        lines,
        prompt: seen,
        ..
    } = terminal.screen()?;
    ensure!(
        seen.as_deref() == Some(prompt),
        "the page shows the prompt {prompt:?}, but there is {:?}, below {lines:#?}",
        seen.unwrap_or_default()
    );
    Ok(lines.into_iter().skip(count).collect())
}

/// Types what is to be typed, and returns what the terminal then shows, after `count` lines
/// if nothing is typed.
fn take_turn(
    terminal: &mut Terminal,
    turn: &Turn,
    count: usize,
    may_run_on: bool,
    numbers: &Numbers,
) -> Result<Vec<String>> {
    match (turn.line, turn.prompt()) {
        (Some(line), Some(prompt)) => {
            terminal.type_text(&format!("{}\n", &line[prompt.len()..]))?;
        }
        (Some(_), None) => terminal.type_text("\x03")?,
        (None, _) => {}
    }
    let echo = turn.echo(count);
    let start = Instant::now();
    loop {
        let Screen {
            mut lines,
            prompt,
            is_ready,
        } = terminal.screen()?;
        lines.drain(..echo.min(lines.len()));
        // With a prompt and what the page shows, the turn is over. Without what it shows,
        // more may come in the background. A program that runs on shows no prompt.
        let is_shown = numbers.matching(turn.shown, &lines).is_some();
        let has_lines = is_shown && !turn.shown.is_empty();
        // What is typed next looks at what this program does, and so it must have begun.
        let pause = if has_lines { 800 } else { 3_000 };
        let is_quiet = terminal.is_quiet(pause);
        if (prompt.is_some() && is_shown) || ((is_ready || may_run_on) && is_quiet) {
            return Ok(lines);
        }
        // A page's cargo may have to build something first.
        if start.elapsed() > terminal.scaled(120_000) {
            bail!("no end within 120 s; the terminal shows {lines:#?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Do these lines of a page, with all that is typed, match those of a terminal?
pub fn matches(page: &[String], seen: &[String]) -> bool {
    Numbers::default().matching(page, seen).is_some()
}

/// Which number that was seen each number of a page stands for, and, in one block, the other
/// way round.
#[derive(Clone, Default)]
struct Numbers {
    seen: HashMap<String, String>,
    page: HashMap<String, String>,
}

impl Numbers {
    /// Do these lines of a page match the lines that were seen? If so, returns what all
    /// numbers stand for now.
    fn matching(&self, page: &[String], seen: &[String]) -> Option<Self> {
        let Some((first, rest)) = page.split_first() else {
            return seen.is_empty().then(|| self.clone());
        };
        if first == "…" {
            return (0..=seen.len()).find_map(|skipped| self.matching(rest, &seen[skipped..]));
        }
        let (line, others) = seen.split_first()?;
        self.matching_line(first, line)?.matching(rest, others)
    }

    fn matching_line(&self, page: &str, seen: &str) -> Option<Self> {
        let tokens = Regex::new(r"…|[0-9]{4,}|[0-9]{2}:[0-9]{2}:[0-9]{2}| +").ok()?;
        let mut pattern = String::from("^");
        let mut names = Vec::new();
        let mut end = 0;
        for token in tokens.find_iter(page) {
            pattern += &regex::escape(&page[end..token.start()]);
            pattern += match token.as_str() {
                "…" => ".*?",
                text if text.starts_with(' ') => "[ \t]+",
                text if text.contains(':') => "[0-9]{2}:[0-9]{2}:[0-9]{2}",
                number => {
                    names.push(number);
                    "([0-9]{4,})"
                }
            };
            end = token.end();
        }
        pattern += &regex::escape(&page[end..]);
        pattern += "$";
        let found = Regex::new(&pattern).ok()?.captures(seen)?;
        let mut bound = self.clone();
        for (name, number) in names.iter().zip(found.iter().skip(1).flatten()) {
            bound.bind(name, number.as_str())?;
        }
        Some(bound)
    }

    fn bind(&mut self, page: &str, seen: &str) -> Option<()> {
        let bound = self.seen.entry(page.to_owned()).or_insert(seen.to_owned());
        let back = self.page.entry(seen.to_owned()).or_insert(page.to_owned());
        (bound == seen && back == page).then_some(())
    }
}

/// A comparison that lets everything pass would make every page true.
pub fn a_wrong_transcript_does_not_match() -> Result<()> {
    let cases: [(&[&str], &[&str], bool); 11] = [
        (&["128"], &["128"], true),
        (&["128"], &["129"], false),
        (&["a b"], &["a    b"], true),
        (&["00:00:00 ps"], &["00:00:02 ps"], true),
        (&["00:00:00 ps"], &["ps"], false),
        (&["pid 2601", "pid 2601"], &["pid 4711", "pid 4711"], true),
        (&["pid 2601", "pid 2601"], &["pid 4711", "pid 4712"], false),
        (&["pid 2601", "pid 2602"], &["pid 4711", "pid 4711"], false),
        (&["… MB"], &["24 MB"], true),
        (&["…", "end"], &["one", "two", "end"], true),
        (&["…", "end"], &["one", "two"], false),
    ];
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).into()).collect::<Vec<_>>();
    for (page, seen, matches) in cases {
        ensure!(
            self::matches(&owned(page), &owned(seen)) == matches,
            "{page:?} on a page and {seen:?} in the terminal: expected {matches}"
        );
    }
    Ok(())
}
