//! A program in a terminal of its own: what is typed, and what is on the screen.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use contract::failure::Failure;
use kernelfiles::process;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::wait::WaitStatus;
use rexpect::process::PtyProcess;

use crate::host::Host;
use crate::patience::{LONG, Patience, scaled};
use crate::report::{MOST_OUTPUT, run, shortened};

/// A program that has been started in a terminal.
pub struct Terminal<'a> {
    host: &'a Host,
    words: String,
    file: File,
    /// All that the terminal has shown.
    shown: Vec<u8>,
    /// How much of that a test has seen.
    seen: usize,
    process: PtyProcess,
}

impl<'a> Terminal<'a> {
    /// The terminal of a program that has been started by such words.
    pub(crate) fn of(host: &'a Host, words: String, mut process: PtyProcess) -> Result<Self> {
        // A shell at a terminal ignores the SIGTERM that it would get first.
        process.set_kill_timeout(Some(0));
        let file = process.get_file_handle().context("take the terminal")?;
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("read without waiting")?;
        Ok(Self {
            host,
            words,
            file,
            shown: Vec::new(),
            seen: 0,
            process,
        })
    }

    /// Waits until this line is on the screen, below the lines that were waited for before.
    pub fn wait_for(&mut self, line: &str) -> Result<()> {
        let wanted = format!("the line {line:?}");
        let mut patience = Patience::new(LONG);
        loop {
            let is_over = patience.is_over();
            let has_ended = self.read()?;
            let rest = &self.shown[self.seen..];
            let mut lines = rest.split_inclusive(|byte| *byte == b'\n');
            let is_it = |shown: &&[u8]| {
                let shown = shown.strip_suffix(b"\r\n").unwrap_or_default();
                // A program may begin a line anew, with a carriage return.
                shown.rsplit(|byte| *byte == b'\r').next() == Some(line.as_bytes())
            };
            let mut length = 0;
            if lines
                .by_ref()
                .inspect(|line| length += line.len())
                .any(|line| is_it(&line))
            {
                self.seen += length;
                return Ok(());
            }
            if has_ended {
                return Err(self.report(&wanted, "the program has ended").into());
            }
            if is_over {
                return Err(self.give_up(&wanted));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Tells which processes do not get what is typed. A new session (setsid(2)) has no
    /// terminal; and of one session, only one process group (setpgid(2)) is in the foreground
    /// (tcsetpgrp(3)), where it may read, and gets the signals of the keys.
    fn about_foreground(&self) -> String {
        let mut report = String::new();
        for pid in self.host.processes() {
            let Ok(stat) = process::stat(pid) else {
                continue;
            };
            // GROUP SESSION TERMINAL FOREGROUND
            let [group, session, terminal, foreground] = [5, 6, 7, 8].map(|it| stat.field(it));
            let why = match () {
                () if terminal == "0" => format!("has no terminal, in its own session {session}"),
                () if group != foreground => {
                    format!("is in process group {group}, and the foreground is {foreground}")
                }
                () => continue,
            };
            report += &format!("\nprocess {pid}, {}, {why}", stat.name());
        }
        report
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        self.words += &format!(", typed {line:?}");
        let line = format!("{line}\n");
        self.file.write_all(line.as_bytes()).context("type a line")
    }

    /// Types a control character: `press('c')` is Ctrl-C.
    pub fn press(&mut self, key: char) -> Result<()> {
        self.words += &format!(", pressed Ctrl-{}", key.to_ascii_uppercase());
        let key = u8::try_from(key).context("find a key")? & 0x1f;
        self.file.write_all(&[key]).context("press a key")
    }

    /// Waits for the program to end, and fails unless its exit status is `code`.
    pub fn exits(self, code: i32) -> Result<()> {
        let ran = self.words.clone();
        let (seen, rest) = self.ends()?;
        if seen == code {
            return Ok(());
        }
        let failure = Failure::new(
            format_args!("exit status {code}"),
            format_args!("exit status {seen}"),
        );
        let said = vec![("on the screen".into(), shortened(&rest))];
        Err(Failure {
            ran,
            said,
            ..failure
        }
        .into())
    }

    /// Waits for the program to end, and returns its exit status and what it has shown since
    /// the last line that was waited for.
    pub fn ends(mut self) -> Result<(i32, String)> {
        let mut patience = Patience::new(LONG);
        let seen = loop {
            let is_over = patience.is_over();
            self.read()?;
            match self.process.status() {
                Some(WaitStatus::Exited(_, code)) => break code,
                Some(WaitStatus::Signaled(_, signal, _)) => break 128 + signal as i32,
                Some(_) => {}
                None => bail!("the program has been waited for"),
            }
            if is_over {
                return Err(self.give_up("its end"));
            }
            thread::sleep(Duration::from_millis(2));
        };
        self.read()?;
        let rest = String::from_utf8_lossy(&self.shown[self.seen..]);
        Ok((seen, rest.into_owned()))
    }

    /// Reads what is there, and tells whether nothing more can come.
    fn read(&mut self) -> Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => self.shown.extend(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                // The program, and all that it has started there, have ended.
                Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => return Ok(true),
                Err(error) => return Err(error).context("read what the terminal shows"),
            }
            let length = self.shown.len() as u64;
            if length > MOST_OUTPUT {
                let wanted = format!("no more than {MOST_OUTPUT} bytes on the screen");
                return Err(self.report(&wanted, "more").into());
            }
        }
    }

    fn report(&self, expected: &str, seen: &str) -> Failure {
        let screen = String::from_utf8_lossy(&self.shown[self.seen..]);
        Failure {
            expected: expected.to_owned(),
            seen: format!("{seen}{}", self.about_foreground()),
            said: vec![("on the screen".into(), shortened(&screen))],
            ..run(&self.words)
        }
    }

    fn give_up(&self, expected: &str) -> Error {
        let failure = self.report(expected, &format!("nothing after {:?}", scaled(LONG)));
        Failure {
            hangs: true,
            ..failure
        }
        .into()
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.host.kill_all();
    }
}
