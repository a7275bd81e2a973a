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
use crate::{LESSONS_LIMIT, USAGE, cargo, next};

const KEYS: &str = "Waiting for a save. Keys: n next step, p back, h hint, q quit";

const NO_PROGRAM: &str = "mine has no program yet. This begins it, with a copy of step 2:
  cp -ri step02-exec/src mine/\n";

/// What is watched.
enum Source<'a> {
    /// The package `mine`, which we build.
    Mine,
    /// A program, and what the user calls it.
    Program(&'a Path, &'a str),
}

struct Watch<'a> {
    source: Source<'a>,
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
    let (watched, source) = match is_mine {
        true => (mine.join("src"), Source::Mine),
        false => (path.to_path_buf(), Source::Program(path, shown)),
    };
    if !is_mine {
        expect_program(path, shown)?;
    }
    let suites = suites::build()?;
    let mut questions = suites::lessons(&suites)?;
    // Step 1 executes nothing, and so nothing of another program can be seen.
    questions.retain(|question| !question.names.is_empty());
    let mut watch = Watch {
        source,
        questions,
        events: Events::of(&watched)?,
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
                Event::Next => {
                    self.at = (self.at + 1).min(self.questions.len() - 1);
                    self.ask(false)?;
                }
                Event::Back => {
                    self.at = self.at.saturating_sub(1);
                    self.ask(false)?;
                }
                Event::Hint => self.hint()?,
                Event::Quit => return Ok(ExitCode::SUCCESS),
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
            match all.find(|at| !self.whole.contains(at)) {
                Some(at) => self.at = at,
                None => {
                    self.last = Some((program.clone(), topic));
                    print(&next::all_pass(&program))?;
                    return self.tell_keys();
                }
            }
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
        if topic.has(&Verdict::NoAnswer) {
            print(NO_ANSWER)?;
        }
        if let Some(trial) = topic.missing().next() {
            print(&match &trial.verdict {
                Verdict::NotAsked(why) => next::cannot_ask(why),
                _ => format!("Next: {}.\n", trial.in_words()),
            })?;
        }
        self.last = Some((program, topic));
        self.tell_keys()
    }

    fn hint(&self) -> Result<()> {
        print(&match &self.last {
            Some((program, topic)) => next::hint(program, topic),
            None => next::page(&self.questions[self.at].suite.step),
        })?;
        self.tell_keys()
    }

    fn tell_keys(&self) -> Result<()> {
        print(&format!("{}\n", self.paint.pale(KEYS))).map(drop)
    }

    /// The program to ask, if there is one. Else it says why not.
    fn program(&mut self) -> Result<Option<PathBuf>> {
        match self.source {
            Source::Mine => self.build_mine(),
            Source::Program(path, shown) => {
                print(&format!("\nAsking {shown}.\n"))?;
                let found = expect_program(path, shown).map(|()| path.to_path_buf());
                if let Err(error) = &found {
                    print(&format!("{error:#}\n"))?;
                }
                Ok(found.ok())
            }
        }
    }

    fn build_mine(&mut self) -> Result<Option<PathBuf>> {
        if !top().join("mine/src/main.rs").is_file() {
            print(&format!("\n{NO_PROGRAM}"))?;
            return Ok(None);
        }
        print("\nBuilding mine.\n")?;
        // What is typed meanwhile waits.
        let mut stop = || Ok(self.events.end().is_some());
        let built = cargo::build(&["build", "--package", "mine", "--bin", "mine"], &mut stop)?;
        let built = built.into_iter().flatten();
        let mut programs = built.filter(|it| it.kind == "bin" && it.name == "mine");
        let found = programs.next().map(|it| it.path);
        if found.is_none() && self.events.end().is_none() {
            print("It cannot be built: mend what the compiler shows, and save.\n")?;
        }
        Ok(found)
    }
}
