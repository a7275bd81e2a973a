//! A terminal with a shell in it: what is typed, and what is shown.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kernelfiles::process;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use rexpect::process::PtyProcess;
use testkit::host::Host;
use testkit::patience::scaled;

use crate::console::{is_prompt, prompt_of};
use crate::recording::Recording;

/// How long somebody thinks who is watched, and how long a key takes.
const THOUGHT: Duration = Duration::from_millis(700);
const KEY: Duration = Duration::from_millis(45);

/// A terminal with a shell in it.
pub struct Terminal {
    file: File,
    /// What the terminal has shown since the last time somebody typed.
    shown: Vec<u8>,
    last: Instant,
    /// What it shows and when, as long as somebody wants to know.
    recording: Option<Recording>,
    /// How many times slower than this machine what runs there is.
    slowness: u64,
    /// The shell, if it is a process of this machine's, and its host. It ends with the terminal.
    shell: Option<(Arc<Host>, PtyProcess)>,
}

/// What a terminal has shown since somebody typed.
pub struct Screen {
    /// The lines, without the last one if that is a prompt.
    pub lines: Vec<String>,
    /// The last prompt of a shell. What runs in the background may have gone on in its line.
    pub prompt: Option<String>,
    /// The prompt is the last thing there is.
    pub is_ready: bool,
}

impl Screen {
    /// Reads what a terminal was sent.
    pub fn of(shown: &[u8]) -> Self {
        let mut text = String::from_utf8_lossy(shown).replace('\r', "");
        // How bash announces, before it is told that the terminal is a dumb one, what is pasted.
        for word in ["\x1b[?2004h", "\x1b[?2004l"] {
            text = text.replace(word, "");
        }
        // A shell whose program has ended with 130 goes on in the line with the ^C.
        let text = match text.strip_prefix("^C") {
            Some(rest) if !rest.starts_with('\n') => format!("^C\n{rest}"),
            _ => text,
        };
        let mut lines: Vec<String> = text
            .split('\n')
            .map(|line| line.trim_end().into())
            .collect();
        let last = text.rsplit('\n').next().unwrap_or_default();
        let is_ready = is_prompt(last);
        let prompt = text.lines().rev().find_map(prompt_of).map(str::to_owned);
        if is_ready || last.is_empty() {
            lines.pop();
        }
        Self {
            lines,
            prompt,
            is_ready,
        }
    }
}

impl Terminal {
    /// Opens a terminal of this machine, with a shell in it that runs on a host.
    pub fn open(shell: Command, host: Arc<Host>) -> Result<Self> {
        let process = PtyProcess::new(shell).context("open a pseudo-terminal")?;
        let file = process.get_file_handle().context("take the terminal")?;
        // Echoing, as terminals do.
        Self::begin(file, 1, Some((host, process)), "stty sane")
    }

    /// Takes a terminal over whose shell is somewhere else.
    pub fn of_machine(file: File, slowness: u64, set_up: &str) -> Result<Self> {
        Self::begin(file, slowness, None, set_up)
    }

    fn begin(
        file: File,
        slowness: u64,
        shell: Option<(Arc<Host>, PtyProcess)>,
        set_up: &str,
    ) -> Result<Self> {
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("read without waiting")?;
        let mut terminal = Self {
            file,
            shown: Vec::new(),
            last: Instant::now(),
            recording: None,
            slowness,
            shell,
        };
        terminal.wait_for_prompt()?;
        // Wide, so that no line is folded.
        terminal.type_text(&format!("{set_up}; stty cols 200\n"))?;
        terminal.wait_for_prompt()?;
        Ok(terminal)
    }

    /// Begins to record what it shows, with its prompt.
    pub fn record(&mut self) -> Result<()> {
        let prompt = self.screen()?.prompt.unwrap_or_default();
        self.recording = Some(Recording::begin(&prompt));
        Ok(())
    }

    /// What was recorded, if something was. From now on nothing is.
    pub fn recorded(&mut self) -> Option<Recording> {
        self.recording.take()
    }

    /// Types something, and forgets what was shown before. Where somebody watches, key by key.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        self.shown.clear();
        self.last = Instant::now();
        let is_watched = self.recording.is_some();
        let length = if is_watched { 1 } else { text.len().max(1) };
        thread::sleep(if is_watched { THOUGHT } else { Duration::ZERO });
        for keys in text.as_bytes().chunks(length) {
            self.file
                .write_all(keys)
                .context("type into the terminal")?;
            if is_watched {
                thread::sleep(KEY);
                self.read()?;
            }
        }
        Ok(())
    }

    /// What the terminal shows.
    pub fn screen(&mut self) -> Result<Screen> {
        self.read()?;
        Ok(Screen::of(&self.shown))
    }

    /// Has nothing been shown for so many milliseconds, and is all asleep that was started here?
    pub fn is_quiet(&self, milliseconds: u64) -> bool {
        self.last.elapsed() > self.scaled(milliseconds) && !self.is_busy()
    }

    /// On a busy machine, what says nothing may wait for a processor. (What does in the machine
    /// in the pages, nobody here can see.)
    fn is_busy(&self) -> bool {
        let is_busy = |pid| process::state(pid).is_ok_and(|state| "RD".contains(state));
        let host = self.shell.as_ref();
        host.is_some_and(|(host, _)| host.processes().into_iter().any(is_busy))
    }

    /// So many milliseconds, for what runs in this terminal.
    pub fn scaled(&self, milliseconds: u64) -> Duration {
        scaled(milliseconds * self.slowness)
    }

    /// Waits until the shell asks for the next command.
    pub fn wait_for_prompt(&mut self) -> Result<()> {
        let start = Instant::now();
        while self.screen()?.prompt.is_none() {
            let is_late = start.elapsed() > self.scaled(20_000);
            ensure!(
                !is_late,
                "no prompt within 20 s, but: {:#?}",
                self.screen()?.lines
            );
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.shown.extend(&buffer[..count]);
                    if let Some(recording) = &mut self.recording {
                        recording.take(&buffer[..count]);
                    }
                    self.last = Instant::now();
                }
                // The second is what a terminal says whose shell has ended.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => return Ok(()),
                Err(error) => return Err(error).context("read what the terminal shows"),
            }
        }
    }
}
