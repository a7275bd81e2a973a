//! What a test says that has failed: as fields for who asks, as text for who reads.
//!
//! ```text
//! ran:      step03-uts run hostname
//! expected: the line "container" on standard output
//! seen:     exit status 0
//!           standard output:
//!           | laptop
//! more in:  step 4 of the book
//! ```

use std::error::Error;
use std::fmt::{self, Display};

/// Why a test has failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// What kept the test from asking the program at all. Then the next three are empty.
    pub obstacle: Option<Obstacle>,
    /// The command line, as one would type it, and what was done to the program then.
    pub ran: String,
    /// What should have come of it.
    pub expected: String,
    /// What did.
    pub seen: String,
    /// What was written to standard output and the like: a name for each, and the text.
    pub said: Vec<(String, String)>,
    /// The step whose chapter tells about it.
    pub chapter: Option<u8>,
    /// Whether the test has waited in vain for the program, which still ran. No text tells.
    pub hangs: bool,
}

/// What keeps a test from asking a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The user is not root.
    NoRoot(String),
    /// This machine cannot make a host for the program.
    NoHost(String),
    /// The program has kept other tests waiting.
    NotAsked(String),
}

use Obstacle::{NoHost, NoRoot, NotAsked};

/// Fails unless `holds`, and says what was expected and seen.
///
/// # Errors
///
/// A [`Failure`].
pub fn expect(holds: bool, expected: impl Display, seen: impl Display) -> anyhow::Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Failure::new(expected, seen).into()),
    }
}

impl Failure {
    /// Something else was seen than expected.
    pub fn new(expected: impl Display, seen: impl Display) -> Self {
        Self {
            expected: expected.to_string(),
            seen: seen.to_string(),
            ..Self::default()
        }
    }

    /// The program was not asked.
    pub fn not_asked(obstacle: Obstacle) -> Self {
        Self {
            obstacle: Some(obstacle),
            ..Self::default()
        }
    }

    /// The user is not root.
    pub fn needs_root() -> Self {
        let text = "this test needs root: run `cargo test` as root, or let cargo be root for \
                    the tests: `cargo run --bin doctor` shows how";
        Self::not_asked(NoRoot(text.into()))
    }

    /// What is told in this chapter.
    pub fn in_chapter(mut self, step: u8) -> Self {
        self.chapter = Some(step);
        self
    }

    /// The failure in an error, with what was said about it on its way; or that the test
    /// cannot go on, with the error.
    pub fn of(error: &anyhow::Error) -> Self {
        let Some(failure) = error.downcast_ref::<Self>() else {
            return Self::new("that the test can go on", format_args!("{error:#}"));
        };
        let mut failure = failure.clone();
        for about in error.chain().take_while(|error| !error.is::<Self>()) {
            failure.seen += &format!("\n{about}");
        }
        failure
    }

    /// What was written somewhere, such as to `standard error`, if anything was.
    pub fn said(&self, place: &str) -> Option<&str> {
        let mut said = self.said.iter();
        said.find_map(|(found, text)| (found == place).then_some(text.as_str()))
    }
}

/// Each field has a line, which begins with its label. More lines of it are indented, and what
/// was said has a bar in front.
const LABELS: [&str; 7] = [
    "no root:",
    "no host:",
    "not asked:",
    "ran:",
    "expected:",
    "seen:",
    "more in:",
];

const INDENT: &str = "          ";

const BAR: &str = "| ";

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let obstacle = |wanted| match &self.obstacle {
            Some(obstacle) if obstacle.index() == wanted => obstacle.text(),
            _ => "",
        };
        let mut seen = self.seen.clone();
        for (place, text) in &self.said {
            let text = text.trim_end().replace('\n', &format!("\n{BAR}"));
            seen += &format!("\n{place}:\n{BAR}{text}");
        }
        let chapter = self.chapter.map(|step| format!("{STEP}{step}{BOOK}"));
        let texts = [
            obstacle(0),
            obstacle(1),
            obstacle(2),
            &self.ran,
            &self.expected,
            &seen,
            chapter.as_deref().unwrap_or_default(),
        ];
        let fields = LABELS
            .iter()
            .zip(texts)
            .filter(|(_, text)| !text.is_empty());
        let fields = fields.map(|(label, text)| {
            let text = text.replace('\n', &format!("\n{INDENT}"));
            format!("{label:9} {text}")
        });
        f.write_str(&fields.collect::<Vec<_>>().join("\n"))
    }
}

const STEP: &str = "step ";

const BOOK: &str = " of the book";

impl Error for Failure {}

/// Reads what was written, up to an empty line. What has no label is something that was seen.
impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        let mut failure = Self::default();
        let mut texts: [String; LABELS.len()] = Default::default();
        let mut field = SEEN;
        for line in text.lines().take_while(|line| !line.is_empty()) {
            let labels = LABELS.iter().zip(0..);
            let found =
                labels.filter_map(|(label, index)| Some((index, line.strip_prefix(label)?)));
            if let Some((index, rest)) = found.last() {
                field = index;
                texts[field] += rest.trim_start();
                continue;
            }
            let line = line.strip_prefix(INDENT).unwrap_or(line);
            match (line.strip_prefix(BAR), line.strip_suffix(':')) {
                (Some(said), _) if !failure.said.is_empty() => {
                    failure.said.last_mut().expect("one is there").1 += &format!("{said}\n");
                }
                (_, Some(place)) if field == SEEN => {
                    failure.said.push((place.into(), String::new()))
                }
                _ => texts[field] += &format!("\n{line}"),
            }
        }
        let [root, host, not_asked, ran, expected, seen, chapter] = texts;
        let obstacles = [NoRoot(root), NoHost(host), NotAsked(not_asked)];
        let chapter = chapter
            .strip_prefix(STEP)
            .and_then(|rest| rest.strip_suffix(BOOK));
        Self {
            obstacle: obstacles
                .into_iter()
                .find(|obstacle| !obstacle.text().is_empty()),
            ran,
            expected,
            seen: seen.trim_start().to_owned(),
            chapter: chapter.and_then(|step| step.parse().ok()),
            ..failure
        }
    }
}

/// The place of its label.
const SEEN: usize = 5;

impl Obstacle {
    fn index(&self) -> usize {
        match self {
            NoRoot(_) => 0,
            NoHost(_) => 1,
            NotAsked(_) => 2,
        }
    }

    /// What it is, and how to get rid of it.
    pub fn text(&self) -> &str {
        let (NoRoot(text) | NoHost(text) | NotAsked(text)) = self;
        text
    }
}
