//! Starts the container with the probe in it, hears what it tells, and ends both.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kernelfiles::process;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::process::Process;

const PROBE: &str = include_str!("probe.sh");

/// The longest line that can be of interest.
const MAX_LINE: u64 = 1 << 16;

/// A container that has been started.
pub struct Container {
    child: Child,
    input: Option<ChildStdin>,
    /// Nothing, once nobody can write there any more.
    output: Option<BufReader<ChildStdout>>,
    /// What is there of the next line.
    line: Vec<u8>,
    /// Those that ask us to end.
    signals: SignalFd,
    /// The probe's arguments, by which its process is found.
    probe: Vec<OsString>,
    /// What the probe has told, by key.
    pub told: HashMap<String, String>,
}

/// How listening to the probe went.
#[derive(PartialEq)]
pub enum Heard {
    /// It has told all, and waits.
    All,
    /// The container ended before that.
    Ended,
    /// Time ran out.
    TooLittle,
    /// This came in between: Ctrl-C, for example.
    Signal(Signal),
}

impl Container {
    /// Starts `command` with the probe behind it, or with `stdin`, for it to read.
    pub fn start(command: &[OsString], stdin: bool) -> io::Result<Self> {
        let probe = probe()?;
        // What the command leaves behind becomes our child, and is found in the end.
        set_child_subreaper(true)?;
        let arguments = if stdin { &[] } else { &probe[..] };
        // Unlike all that std opens, this is inherited: who closes it for the container?
        let bait = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())?;
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        drop(bait);
        // After the start, since the command would inherit it. Should a signal end us before
        // this line, then the probe's standard input ends with us, and so the probe does.
        let signals = {
            use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
            SigSet::from_iter([SIGINT, SIGQUIT, SIGTERM, SIGHUP])
        };
        signals.thread_block()?;
        let mut input = child.stdin.take();
        if let (true, Some(input)) = (stdin, &mut input) {
            // A command that reads nothing is heard of soon enough.
            input.write_all(&as_line(&probe)?).ok();
        }
        let output = child.stdout.take();
        if let Some(output) = &output {
            fcntl(output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self {
            child,
            input,
            output: output.map(BufReader::new),
            line: Vec::new(),
            signals: SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK)?,
            probe,
            told: HashMap::new(),
        })
    }

    /// Hears the probe until it has told all, for so long at the most.
    pub fn listen(&mut self, patience: Duration) -> Result<Heard> {
        let mut deadline = Instant::now() + patience;
        let mut has_ended = false;
        while !self.told.contains_key("end") {
            if !has_ended && self.status()?.is_some() {
                has_ended = true;
                // What it has started may still hold the pipe, and be the probe.
                deadline = Instant::now() + Duration::from_secs(1);
            }
            let is_late = Instant::now() > deadline;
            if has_ended && (is_late || self.output.is_none()) {
                return Ok(Heard::Ended);
            }
            if is_late {
                return Ok(Heard::TooLittle);
            }
            if let Some(signal) = self.hear()? {
                return Ok(Heard::Signal(signal));
            }
        }
        Ok(Heard::All)
    }

    /// Hears a line, or nothing for a moment; and a signal, if one came.
    ///
    /// The probe's lines are `MARKER KEY VALUE`. All others are the command's own talk.
    fn hear(&mut self) -> Result<Option<Signal>> {
        let heard = match &mut self.output {
            Some(output) => output.take(MAX_LINE).read_until(b'\n', &mut self.line),
            None => Err(ErrorKind::WouldBlock.into()),
        };
        match heard {
            Ok(0) => self.output = None,
            Ok(_) => {
                if let Some(told) = self.line.strip_prefix(self.probe[3].as_bytes()) {
                    let told = String::from_utf8_lossy(told);
                    let (key, value) = told.trim().split_once(' ').unwrap_or((told.trim(), ""));
                    self.told.insert(key.to_owned(), value.to_owned());
                }
                self.line.clear();
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
        let signal = self.signals.read_signal().context("look for signals")?;
        Ok(signal.and_then(|signal| Signal::try_from(signal.ssi_signo as i32).ok()))
    }

    /// Finds the probe's process on the host: the one whose command line ends like the
    /// probe's, and whose innermost PID is the one that the probe has told.
    ///
    /// Those that have started it have its command line in theirs, and another PID.
    pub fn find_probe(&self) -> Option<Process> {
        let inside = self.told.get("pid")?.parse().ok()?;
        let mut found = process::all().filter(|pid| {
            let pids = process::pids(pid).unwrap_or_default();
            process::argv(pid).ends_with(&self.probe[1..]) && pids.last() == Some(&inside)
        });
        // If there are two, it cannot be told which.
        found
            .next()
            .filter(|_| found.next().is_none())
            .map(Process::of)
    }

    /// Ends the container: its input first, at the end of which the probe ends by itself;
    /// then by force. Whatever it leaves behind is killed.
    pub fn end(mut self, heard: &Heard) -> Result<ExitStatus> {
        drop(self.input.take());
        let mut status = self.wait(if *heard == Heard::All { 5 } else { 1 })?;
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if status.is_none() {
                // Refused if it has become another user's, and then there is but one cure.
                kill(Pid::from_raw(self.child.id().try_into()?), signal).ok();
                status = self.wait(2)?;
            }
        }
        end_orphans()?;
        status.context("end the command, which even SIGKILL did not")
    }

    /// Waits for its end, so many seconds at the most. Whoever presses Ctrl-C meanwhile does not
    /// want to wait.
    fn wait(&mut self, seconds: u64) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut status = self.status()?;
        while status.is_none() && Instant::now() < deadline && self.hear()?.is_none() {
            status = self.status()?;
        }
        Ok(status)
    }

    fn status(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("wait for the command")
    }
}

/// The exit status as a shell shows it: 128 + n for an end by signal n.
pub fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|number| 128 + number));
    code.and_then(|code| code.try_into().ok()).unwrap_or(125)
}

/// The probe's command line. Its marker cannot be guessed, and so no other process has it
/// by chance or by design.
fn probe() -> io::Result<Vec<OsString>> {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let marker = format!("leaks-{}", random.trim());
    let pid = fs::read_link("/proc/self")?;
    let program = env::current_exe()?;
    let words = ["sh", "-c", PROBE, &marker].map(OsString::from);
    Ok([&words[..], &[pid.into(), program.into()]].concat())
}

/// The probe as a line for a shell. It becomes the probe, which so has its own command line.
fn as_line(words: &[OsString]) -> io::Result<Vec<u8>> {
    let words = words.iter().map(|word| word.as_bytes());
    let words = shlex::bytes::try_join(words).map_err(io::Error::other)?;
    Ok([b"exec ", &words[..], b"\n"].concat())
}

/// Kills the processes that came from the command and outlived it, until none is left.
fn end_orphans() -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return Ok(()),
            Err(errno) => return Err(errno).context("wait for what the command left behind"),
            Ok(_) => {}
        }
        if Instant::now() > deadline {
            bail!("a process that the command left behind cannot be killed");
        }
        let ours = Pid::this().as_raw();
        let is_ours = |pid: &i32| process::parent(pid).is_ok_and(|parent| parent == ours);
        for child in process::all().filter(is_ours) {
            kill(Pid::from_raw(child), Signal::SIGKILL).ok();
        }
        thread::sleep(Duration::from_millis(5));
    }
}
