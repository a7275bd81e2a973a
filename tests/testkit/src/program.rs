//! Starts the program under test, and looks at what it does.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::mem;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use contract::failure::Failure;
use nix::libc;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rexpect::process::PtyProcess;

use crate::host::Host;
use crate::inside;
use crate::mounts::Exposed;
use crate::patience::{LONG, Patience, scaled};
use crate::report::{MOST_OUTPUT, run, shortened};
use crate::terminal::Terminal;

/// A program under test on a host of its own.
#[derive(Clone)]
pub struct Program {
    /// Where the program is.
    pub path: PathBuf,
    /// The step's own program, for a test that needs a container beside the one under test.
    pub step: PathBuf,
    /// The root filesystem that `ROOTFS` names for it.
    pub rootfs: PathBuf,
    /// The host that it runs on.
    pub host: Arc<Host>,
    /// What it gets after each `run`, in front of the test's own words: options that switch on
    /// what is tested.
    pub options: &'static [&'static str],
}

impl Program {
    /// An answer to an exercise of the step, on the same host, with what it gets after `run`.
    pub fn answer(&self, name: &str, options: &'static [&'static str]) -> Self {
        let exercise = course::exercise(name).map(|exercise| exercise.answer(&self.step));
        Self {
            path: exercise.unwrap_or_else(|| self.step.with_file_name(name)),
            options,
            ..self.clone()
        }
    }

    /// `PROGRAM run COMMAND...`, not started yet.
    pub fn run(&self, command: &[&str]) -> Call<'_> {
        let command: Vec<&str> = [&["run"], self.options, command].concat();
        self.call(&command)
    }

    /// `PROGRAM run OPTIONS... COMMAND...`, not started yet.
    pub fn run_with(&self, options: &[&str], command: &[&str]) -> Call<'_> {
        self.run(&[options, command].concat())
    }

    /// `PROGRAM run sh -c SCRIPT`, not started yet.
    pub fn run_shell(&self, script: &str) -> Call<'_> {
        self.run(&["sh", "-c", script])
    }

    /// Mounts the program's folder a second time, where every user can reach it, and tells
    /// where the program is then. It may be in the home of the user who called sudo.
    pub fn expose(&self) -> Result<(Exposed, PathBuf)> {
        let folder = self.path.parent().context("find the program's folder")?;
        let name = self.path.file_name().context("find the program's name")?;
        let exposed = self.host.expose(folder)?;
        let path = exposed.path().join(name);
        Ok((exposed, path))
    }

    /// Makes a root filesystem of the test's own, with `programs` in it too: in the test's
    /// folder, where it is called `rootfs`.
    pub fn make_rootfs(&self, programs: &[&Path]) -> Result<PathBuf> {
        let path = self.host.folder.path().join("rootfs");
        let programs: Vec<OsString> = programs.iter().map(|path| path.into()).collect();
        rootfs::make(&path, &programs).context("make a root filesystem")?;
        Ok(path)
    }

    /// `PROGRAM ARGS...`, not started yet.
    pub fn call(&self, args: &[&str]) -> Call<'_> {
        Call {
            program: self,
            path: self.path.clone(),
            prefix: Vec::new(),
            args: args.iter().map(OsString::from).collect(),
            env: vec![("ROOTFS".into(), self.rootfs.clone().into())],
            input: String::new(),
            output: None,
        }
    }
}

/// A script that says so when it has started, and lasts until it is ended.
pub const STARTED: &str = "echo started; exec sleep 1000";

/// `PROGRAM run sh -c SCRIPT`, with `rootfs` for a root filesystem, by names that are only
/// good in a certain folder: what one leads to may be another folder once something is
/// mounted there.
pub fn by_any_name<'a>(program: &'a Program, rootfs: &Path, script: &str) -> Vec<Call<'a>> {
    let names = [
        ("", "."),
        ("", "./"),
        ("", "../rootfs/."),
        ("usr", ".."),
        ("usr", "../usr/.."),
    ];
    let calls = names.map(|(folder, name)| {
        let folder = rootfs.join(folder);
        let enter = [
            "sh",
            "-c",
            "cd \"$0\" && exec \"$@\"",
            &folder.to_string_lossy(),
        ];
        program
            .run_shell(script)
            .with_prefix(&enter)
            .with_env("ROOTFS", name)
    });
    calls.into()
}

/// How the program is to be started.
#[must_use = "nothing has been started yet"]
pub struct Call<'a> {
    program: &'a Program,
    path: PathBuf,
    prefix: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: String,
    output: Option<Stdio>,
}

impl<'a> Call<'a> {
    /// Puts a word in front of the program, as in `unshare -r PROGRAM run COMMAND`.
    pub fn with_prefix(mut self, words: &[&str]) -> Self {
        self.prefix.extend(words.iter().map(OsString::from));
        self
    }

    /// Starts the program from another place, where it is the same.
    pub fn at(mut self, path: PathBuf) -> Self {
        self.path = path;
        self
    }

    /// Adds an argument that need not be UTF-8.
    pub fn with_arg(mut self, arg: &OsStr) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Sets an environment variable for the program.
    pub fn with_env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives the program something to read from its standard input, which is else empty.
    pub fn with_input(mut self, text: &str) -> Self {
        self.input = text.to_owned();
        self
    }

    /// Sends the program's standard output elsewhere; [`Ended::prints`] then sees none.
    pub fn with_output(mut self, output: impl Into<Stdio>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// Starts the program and waits for it to end.
    pub fn end(self) -> Result<Ended> {
        self.start()?.end()
    }

    /// Starts the program, and waits until the command says `started`.
    pub fn started(self) -> Result<Running<'a>> {
        let mut running = self.start()?;
        running.wait_for("started")?;
        Ok(running)
    }

    /// Starts the program.
    pub fn start(mut self) -> Result<Running<'a>> {
        let mut input = self.program.host.make_file()?;
        input
            .write_all(self.input.as_bytes())
            .context("write standard input")?;
        input
            .seek(SeekFrom::Start(0))
            .context("rewind standard input")?;
        // Files and not pipes: a process that is left behind would keep a pipe open.
        let stdout = self.program.host.make_file()?;
        let stderr = self.program.host.make_file()?;
        let output = match self.output.take() {
            Some(output) => output,
            None => stdout.try_clone().context("share a file")?.into(),
        };
        let words = self.to_string();
        self.program.host.remember(run(&words));
        let _starting = STARTING.lock().expect("no thread panics with this lock");
        let child = self
            .command()
            .stdin(input)
            .stdout(output)
            .stderr(stderr.try_clone().context("share a file")?)
            // kill(0, …) reaches the whole group, and so must not reach this test.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {words}"))?;
        Ok(Running {
            program: self.program,
            words,
            child,
            stdout,
            stderr,
            signalled: None,
        })
    }

    /// Starts the program in a terminal of its own.
    pub fn in_terminal(mut self) -> Result<Terminal<'a>> {
        let words = format!("{self}, in a terminal");
        self.program.host.remember(run(&words));
        // On a dumb one bash writes what follows a command into the line of its prompt.
        self.env.push(("TERM".into(), "xterm".into()));
        let _starting = STARTING.lock().expect("no thread panics with this lock");
        let process = PtyProcess::new(self.command());
        let process = process.with_context(|| format!("start {words}"))?;
        keep_terminals_to_ourselves()?;
        Terminal::of(&self.program.host, words, process)
    }

    fn command(&self) -> Command {
        let words = self.prefix.iter().map(OsString::as_os_str);
        let mut words = words.chain([self.path.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .args(&self.args)
            .current_dir(self.program.host.folder.path())
            .env_remove("RUST_BACKTRACE")
            .env_remove("CONTAINER")
            .envs(self.env.iter().cloned());
        inside::hide(&mut command);
        command
    }
}

/// Held while a program is started, which inherits what is open then.
static STARTING: Mutex<()> = Mutex::new(());

/// Keeps our ends of all terminals from the programs of other tests: rexpect opens them without
/// O_CLOEXEC.
fn keep_terminals_to_ourselves() -> Result<()> {
    for entry in fs::read_dir("/proc/self/fd").context("list our open files")? {
        let path = entry.context("list our open files")?.path();
        let number = path.file_name().and_then(OsStr::to_str);
        let number = number.and_then(|number| number.parse().ok());
        let is_terminal = fs::read_link(&path).is_ok_and(|target| target.ends_with("ptmx"));
        if let Some(number) = number.filter(|_| is_terminal) {
            #[expect(unsafe_code, reason = "rexpect keeps the file to itself")]
            // SAFETY: this sets a flag that all our other files have from the start.
            unsafe {
                libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC)
            };
        }
    }
    Ok(())
}

/// The command line, as one would type it.
impl std::fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.path.file_name().unwrap_or_default().to_owned();
        let quote = |word: &OsString| {
            let word = word.to_string_lossy();
            let quoted = shlex::try_quote(&word).map(Into::into);
            quoted.unwrap_or_else(|_| word.into_owned())
        };
        // The first is the root filesystem of all tests, which says nothing about this one.
        let env = self.env.iter().skip(1);
        let env = env.map(|(name, value)| format!("{}={}", name.to_string_lossy(), quote(value)));
        let words = self.prefix.iter().chain(Some(&name)).chain(&self.args);
        let all: Vec<String> = env.chain(words.map(quote)).collect();
        f.write_str(&all.join(" "))
    }
}

/// A program that has been started, with no terminal.
pub struct Running<'a> {
    program: &'a Program,
    words: String,
    child: Child,
    stdout: File,
    stderr: File,
    signalled: Option<Signal>,
}

impl Running<'_> {
    /// The program's own PID.
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a PID fits into an i32")
    }

    /// Sends a signal to the program itself.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.words += &format!(", then {signal}");
        self.signalled = Some(signal);
        self.program.host.remember(run(&self.words));
        kill(Pid::from_raw(self.pid()), signal).with_context(|| format!("send {signal}"))
    }

    /// What the program has written to its standard output by now.
    pub fn stdout(&self) -> Result<String> {
        read_all(&self.stdout)
    }

    /// What the program has written to its standard error by now.
    pub fn stderr(&self) -> Result<String> {
        read_all(&self.stderr)
    }

    /// Waits until standard output has this line. A word in a line would not do: the
    /// program may print the command line, where the word stands too.
    pub fn wait_for(&mut self, line: &str) -> Result<()> {
        let what = on_standard_output(line);
        self.wait_until(&what, |running| {
            let stdout = running.stdout()?;
            Ok(stdout.lines().any(|seen| seen == line).then_some(()))
        })
    }

    /// Waits until standard error has `part` in it.
    pub fn wait_for_complaint(&mut self, part: &str) -> Result<()> {
        let what = format!("{part:?} in standard error");
        self.wait_until(&what, |running| {
            Ok(running.stderr()?.contains(part).then_some(()))
        })
    }

    /// Waits until `look` finds something, and says `what` was missing if the program ends
    /// before, or if it takes too long.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let mut patience = Patience::new(LONG);
        loop {
            let (is_over, has_ended) = (patience.is_over(), self.has_ended()?);
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if has_ended {
                return Err(self.take_down()?.report(what).into());
            }
            if is_over {
                return Err(self.give_up(what)?);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to the program itself, and waits for it to end.
    pub fn end_with(mut self, signal: Signal) -> Result<Ended> {
        self.signal(signal)?;
        self.end()
    }

    /// Waits for the program to end.
    pub fn end(mut self) -> Result<Ended> {
        let mut patience = Patience::new(LONG);
        let mut pause = Duration::from_micros(500);
        while !self.has_ended()? {
            if patience.is_over() {
                return Err(self.give_up(&format!("an end within {:?}", scaled(LONG)))?);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        self.take_down()
    }

    /// Fails if the program prints without end.
    fn has_ended(&mut self) -> Result<bool> {
        let status = self.child.try_wait().context("wait for the program")?;
        let length = |file: &File| Ok::<_, Error>(file.metadata().context("look at it")?.len());
        let length = length(&self.stdout)?.max(length(&self.stderr)?);
        if length > MOST_OUTPUT {
            let what = format!("no more than {MOST_OUTPUT} bytes of output, and not {length}");
            self.kill();
            return Err(self.ended()?.report(&what).into());
        }
        Ok(status.is_some())
    }

    fn kill(&mut self) {
        self.program.host.kill_all();
        // Without root, this is all that can be found.
        killpg(Pid::from_raw(self.pid()), Signal::SIGKILL).ok();
    }

    /// Ends the program, which has not ended by itself, and says that.
    fn give_up(&mut self, expected: &str) -> Result<Error> {
        let after = self.signalled.map(|signal| format!(" after {signal}"));
        let after = after.unwrap_or_default();
        let failure = Failure {
            seen: format!("it did not end{after}; killed by the test"),
            hangs: true,
            ..self.take_down()?.report(expected)
        };
        Ok(failure.into())
    }

    fn take_down(&mut self) -> Result<Ended> {
        if !self.has_ended()? {
            self.kill();
        }
        self.ended()
    }

    fn ended(&mut self) -> Result<Ended> {
        let ended = Ended {
            words: mem::take(&mut self.words),
            status: self.child.wait().context("wait for the program")?,
            stdout: read_all(&self.stdout)?,
            stderr: read_all(&self.stderr)?,
        };
        self.program.host.remember(ended.run());
        Ok(ended)
    }
}

impl Drop for Running<'_> {
    /// Kills the program, and remembers what it has said: the failure may be one that is seen at
    /// the host alone.
    fn drop(&mut self) {
        let status = self.child.try_wait().ok().flatten();
        if status.is_none() {
            killpg(Pid::from_raw(self.pid()), Signal::SIGKILL).ok();
        }
        // Of many, the last that was started is the one to tell about.
        if self.program.host.last_ran() != self.words {
            return;
        }
        let (stdout, stderr) = (self.stdout(), self.stderr());
        let mut run = said(
            &self.words,
            &stdout.unwrap_or_default(),
            &stderr.unwrap_or_default(),
        );
        if let Some(status) = status {
            run.ran += &format!(", which ended with exit status {}", code(status));
        }
        self.program.host.remember(run);
    }
}

/// How a program ended.
pub struct Ended {
    words: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// Its standard error; what is not UTF-8 is replaced.
    pub stderr: String,
}

impl Ended {
    /// The exit status as a shell shows it.
    pub fn code(&self) -> i32 {
        code(self.status)
    }

    /// Fails unless the exit status is `code`.
    pub fn exits(&self, code: i32) -> Result<&Self> {
        self.expected(&format!("exit status {code}"), self.code() == code)
    }

    /// Fails unless standard output has these lines in it. What comes before and after them
    /// is the program's own talk, such as `Running [...]`. In a language that buffers its
    /// output, that may come last.
    pub fn prints(&self, lines: &str) -> Result<&Self> {
        let holds = format!("\n{}", self.stdout).contains(&format!("\n{lines}\n"));
        self.expected(&on_standard_output(lines), holds)
    }

    /// Fails unless standard output is these lines and no more.
    pub fn prints_only(&self, lines: &str) -> Result<&Self> {
        let holds = self.stdout == format!("{lines}\n");
        self.expected(&format!("{lines:?} as all of standard output"), holds)
    }

    /// Fails unless standard error has each of `parts` in it, in capitals or not: the C
    /// library says `Permission denied`, Go `permission denied`.
    pub fn complains(&self, parts: &[&str]) -> Result<&Self> {
        let stderr = self.stderr.to_lowercase();
        for part in parts {
            let holds = stderr.contains(&part.to_lowercase());
            self.expected(&format!("{part:?} in standard error"), holds)?;
        }
        Ok(self)
    }

    /// Fails unless this was a wrong command line, of which nothing was executed.
    pub fn is_wrong_usage(&self) -> Result<&Self> {
        self.exits(125)?.complains(&["usage"])?.does_not_panic()?;
        self.has_executed_nothing()
    }

    /// Fails if a Rust program has panicked.
    pub fn does_not_panic(&self) -> Result<&Self> {
        let holds = self.code() != 101 && !self.stderr.contains("panicked at");
        self.expected("an error message, and no panic", holds)
    }

    /// The line of standard output that begins with `start`, or nothing.
    pub fn line_with(&self, start: &str) -> &str {
        let mut lines = self.stdout.lines();
        lines.find(|line| line.starts_with(start)).unwrap_or("")
    }

    /// Fails if the exit status is 0.
    pub fn fails(&self) -> Result<&Self> {
        self.expected("an exit status other than 0", self.code() != 0)
    }

    /// Fails if [`EXECUTED`] was executed.
    pub fn has_executed_nothing(&self) -> Result<&Self> {
        let holds = !self.stdout.lines().any(|line| line == EXECUTED[1]);
        self.expected("a command that is not executed", holds)
    }

    /// Fails, and tells what was run, expected and seen, unless `holds`.
    pub fn expected(&self, what: &str, holds: bool) -> Result<&Self> {
        match holds {
            true => Ok(self),
            false => Err(self.report(what).into()),
        }
    }

    fn report(&self, expected: &str) -> Failure {
        Failure {
            expected: expected.to_owned(),
            seen: format!("exit status {}", self.code()),
            ..self.run()
        }
    }

    fn run(&self) -> Failure {
        said(&self.words, &self.stdout, &self.stderr)
    }
}

/// What was run, and what it has said.
fn said(words: &str, stdout: &str, stderr: &str) -> Failure {
    let said = [("standard output", stdout), ("standard error", stderr)];
    let said = said.into_iter().filter(|(_, text)| !text.is_empty());
    Failure {
        said: said
            .map(|(place, text)| (place.into(), shortened(text)))
            .collect(),
        ..run(words)
    }
}

/// An exit status as a shell shows it: 128 + n for an end by signal n.
fn code(status: ExitStatus) -> i32 {
    let signal = status.signal().map(|number| 128 + number);
    status.code().or(signal).unwrap_or(-1)
}

/// A command that shows whether it was executed.
pub const EXECUTED: &[&str] = &["echo", "executed"];

fn on_standard_output(lines: &str) -> String {
    let noun = if lines.contains('\n') {
        "lines"
    } else {
        "line"
    };
    format!("the {noun} {lines:?} on standard output")
}

/// All that a file holds by now. Reading must not move the offset, at which the program,
/// which shares it, goes on writing.
fn read_all(file: &File) -> Result<String> {
    let length = file.metadata().context("look at the output")?.len();
    let length = length.min(MOST_OUTPUT);
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut bytes, 0)
        .context("read the output")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
