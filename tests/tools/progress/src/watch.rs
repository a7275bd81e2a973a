//! Asks at each save, for one step: the first that does not pass.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use common::{expect_program, print};
use contract::variables::scaled;

use crate::events::{Event, Events};
use crate::suites::{self, Question, top};
use crate::table::{self, NO_ANSWER, Paint};
use crate::verdicts::{self, Topic, Verdict};
use crate::{LESSONS_LIMIT, USAGE, advice, cargo};

const KEYS: &str = "Waiting for a save. Keys: n next step, p back, h hint, q quit";

const NO_PROGRAM: &str = "mine has no program yet. This begins it, with a copy of step 2:
  cp -ri step02-exec/src mine/\n";

struct Watch<'a> {
    /// The program, and what the user calls it.
    path: &'a Path,
    shown: &'a str,
    /// Whether it is that of the package `mine`, which we build.
    is_mine: bool,
    questions: Vec<Question<'a>>,
    events: Events,
    paint: Paint,
    /// The question that is asked.
    at: usize,
    /// The questions that have passed.
    whole: BTreeSet<usize>,
    /// What the program is, and what came out when it was last asked.
    last: Option<(PathBuf, Topic)>,
}

/// Watches the program at `path`, which the user calls `shown`, until the user quits.
pub fn watch(path: &Path, shown: &str) -> Result<ExitCode> {
    ensure!(
        io::stdin().is_terminal(),
        "--watch obeys keys, and needs a terminal on standard input\n{USAGE}"
    );
    let mine = top().join("mine");
    let is_mine = path == mine || path == top().join("target/debug/mine");
    if !is_mine {
        expect_program(path, shown)?;
    }
    let suites = suites::build()?;
    let mut questions = suites::lessons(&suites)?;
    // Step 1 executes nothing, and so nothing of another program can be seen.
    questions.retain(|question| !question.names.is_empty());
    let mut watch = Watch {
        path,
        shown,
        is_mine,
        questions,
        events: Events::of(if is_mine {
            mine.join("src")
        } else {
            path.into()
        })?,
        paint: Paint::for_terminal(),
        at: 0,
        whole: BTreeSet::new(),
        last: None,
    };
    watch.obey()
}

impl Watch<'_> {
    fn obey(&mut self) -> Result<ExitCode> {
        let mut event = Event::Save;
        loop {
            match event {
                Event::Save => self.ask(true)?,
                Event::Key(b'n') => {
                    self.at = (self.at + 1).min(self.questions.len() - 1);
                    self.ask(false)?;
                }
                Event::Key(b'p') => {
                    self.at = self.at.saturating_sub(1);
                    self.ask(false)?;
                }
                Event::Key(b'h') => self.hint()?,
                Event::Key(_) => return Ok(ExitCode::SUCCESS),
                Event::End(status) => return Ok(ExitCode::from(status)),
            }
            event = self.events.wait()?;
        }
    }

    /// Asks for the step, and, if that passes, goes on to the first that does not.
    fn ask(&mut self, goes_on: bool) -> Result<()> {
        self.last = None;
        let Some(program) = self.program()? else {
            return self.tell_keys();
        };
        let known = self.whole.clone();
        loop {
            let Some(topic) = self.ask_about(&program, self.at..self.at + 1)?.pop() else {
                return Ok(());
            };
            if !topic.is_passed() || !goes_on {
                return self.stay(program, topic);
            }
            print(&table::row(&topic, self.paint))?;
            // What has passed before has to pass still.
            if !known.is_empty() {
                let earlier = self.ask_about(&program, 0..self.at)?;
                let mut earlier = earlier.into_iter().enumerate();
                let lost = earlier.find(|(at, it)| known.contains(at) && !it.is_passed());
                if let Some((at, topic)) = lost {
                    print("But a step before does not pass any more:\n")?;
                    self.at = at;
                    return self.stay(program, topic);
                }
            }
            let mut all = (self.at..self.questions.len()).chain(0..self.at);
            let Some(at) = all.find(|at| !self.whole.contains(at)) else {
                print(&advice::all_pass(&program))?;
                self.last = Some((program, topic));
                return self.tell_keys();
            };
            self.at = at;
        }
    }

    /// What came out, or nothing if something has happened meanwhile.
    fn ask_about(&mut self, program: &Path, steps: std::ops::Range<usize>) -> Result<Vec<Topic>> {
        let mut stop = || self.events.disturb();
        let asked = &self.questions[steps.clone()];
        let topics = verdicts::ask(program, asked, scaled(LESSONS_LIMIT), &mut stop)?;
        let topics = topics.unwrap_or_default();
        for (at, topic) in steps.zip(&topics) {
            match topic.is_passed() {
                true => self.whole.insert(at),
                false => self.whole.remove(&at),
            };
        }
        Ok(topics)
    }

    /// Tells all about a step, and what to do next.
    fn stay(&mut self, program: PathBuf, topic: Topic) -> Result<()> {
        print(&table::step(&topic, self.paint))?;
        if topic.has(Verdict::NoAnswer) {
            print(NO_ANSWER)?;
        }
        if let Some(trial) = topic.missing().next() {
            print(&match trial.verdict {
                Verdict::NotAsked => advice::cannot_ask(trial),
                _ => format!("Next: {}.\n", trial.in_words()),
            })?;
        }
        self.last = Some((program, topic));
        self.tell_keys()
    }

    fn hint(&self) -> Result<()> {
        print(&match &self.last {
            Some((program, topic)) => advice::hint(program, topic),
            None => advice::page(self.questions[self.at].suite.step),
        })?;
        self.tell_keys()
    }

    fn tell_keys(&self) -> Result<()> {
        print(&format!("{}\n", self.paint.pale(KEYS))).map(drop)
    }

    /// The program to ask, if there is one. Else it says why not.
    fn program(&mut self) -> Result<Option<PathBuf>> {
        if self.is_mine {
            return self.build_mine();
        }
        print(&format!("\nAsking {}.\n", self.shown))?;
        if let Err(error) = expect_program(self.path, self.shown) {
            print(&format!("{error:#}\n"))?;
            return Ok(None);
        }
        Ok(Some(self.path.to_path_buf()))
    }

    fn build_mine(&mut self) -> Result<Option<PathBuf>> {
        if !top().join("mine/src/main.rs").is_file() {
            print(&format!("\n{NO_PROGRAM}"))?;
            return Ok(None);
        }
        print("\nBuilding mine.\n")?;
        // What is typed meanwhile waits.
        let mut stop = || Ok(self.events.end().is_some());
        let args = ["build", "--package", "mine", "--bin", "mine"];
        let built = cargo::build("bin", &args, &mut stop)?;
        let found = built.and_then(|mut built| built.remove("mine"));
        if found.is_none() && self.events.end().is_none() {
            print("It cannot be built: mend what the compiler shows, and save.\n")?;
        }
        Ok(found)
    }
}
