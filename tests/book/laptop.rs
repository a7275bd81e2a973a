//! A throw-away host in which the book's transcripts are made, and its terminals.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::sethostname;
use rexpect::process::PtyProcess;
use testkit::host::Host;
use testkit::patience::scaled;

use crate::console::{is_prompt, prompt_of};
use crate::sources::top;

/// A host of its own: UTS, mount and PID namespaces, a cgroup, and this repository, copied
/// on write, so that nothing a page does lasts.
pub struct Laptop {
    host: Host,
    init: Child,
    /// The number of PID 1.
    pid: String,
    /// `init` ends when this is closed.
    _input: ChildStdin,
}

impl Laptop {
    /// Moves the calling thread to a new laptop, with `rootfs` at `rootfs` if there is one.
    pub fn enter(rootfs: Option<&Path>) -> Result<Self> {
        let host = Host::enter(true)?;
        // `progress` runs many tests at once, and one of them a fork bomb, which may fill its
        // own host, as far as that lets it, but must not take all of ours.
        host.allow_processes(1000)?;
        sethostname("laptop").context("set the hostname")?;
        let mut init = enter_cgroup(&host)?
            .args(["unshare", "--pid", "--fork", "--mount", "--kill-child"])
            .args(["bash", concat!(env!("CARGO_MANIFEST_DIR"), "/laptop.sh")])
            .args([&top(), host.folder.path(), &host.scratch])
            .args(rootfs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start PID 1 of the laptop")?;
        let input = init.stdin.take().context("take what init waits for")?;
        let output = init.stdout.take().context("take what init says")?;
        let mut pid = String::new();
        let said = BufReader::new(output).read_line(&mut pid);
        let laptop = Self {
            host,
            init,
            pid: pid.trim().into(),
            _input: input,
        };
        ensure!(said.context("wait for init")? > 0, "init did not get ready");
        Ok(laptop)
    }

    /// Opens a terminal with a shell in it.
    pub fn open_terminal(&self) -> Result<Terminal> {
        let home = self.host.folder.path().join("home");
        let mut command = enter_cgroup(&self.host)?;
        command
            .args(["nsenter", "--pid", "--mount", "--target", &self.pid])
            .args(["env", "--chdir"])
            .arg(top())
            // A session that is led from within: job control looks at its leader's PID.
            .args(["setsid", "--ctty", "bash", "--rcfile"])
            .arg(home.join(".bashrc"))
            .env_clear()
            .env("HOME", home)
            .env("TERM", "dumb")
            .env("LANG", "C.UTF-8")
            .env("CARGO_TERM_QUIET", "true")
            .env("CARGO_NET_OFFLINE", "true");
        for (name, folder) in [
            ("PATH", None),
            ("CARGO_TARGET_DIR", None),
            ("RUSTUP_TOOLCHAIN", None),
            ("CARGO_HOME", Some(".cargo")),
            ("RUSTUP_HOME", Some(".rustup")),
        ] {
            let in_home = |folder| Some(PathBuf::from(env::var_os("HOME")?).join(folder).into());
            let value = env::var_os(name).or_else(|| folder.and_then(in_home));
            command.envs(value.map(|value| (name, value)));
        }
        Terminal::open(command)
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        self.host.kill_all();
        self.init.kill().ok();
        self.init.wait().ok();
    }
}

/// A shell that moves into the test's cgroups and becomes what its arguments say.
fn enter_cgroup(host: &Host) -> Result<Command> {
    let entrances = host.entrances();
    ensure!(!entrances.is_empty(), "the test has no cgroups");
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "until [ \"$1\" = -- ]; do echo 0 >\"$1\" && shift || exit; done; shift; exec \"$@\"",
        ])
        .arg("sh")
        .args(entrances)
        .arg("--");
    Ok(shell)
}

/// A pseudo-terminal with a shell in it.
pub struct Terminal {
    file: File,
    /// What the terminal has shown since the last time somebody typed.
    shown: Vec<u8>,
    last: Instant,
    _process: PtyProcess,
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

impl Terminal {
    fn open(command: Command) -> Result<Self> {
        let process = PtyProcess::new(command).context("open a pseudo-terminal")?;
        let file = process.get_file_handle().context("take the terminal")?;
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("read without waiting")?;
        let mut terminal = Self {
            file,
            shown: Vec::new(),
            last: Instant::now(),
            _process: process,
        };
        terminal.wait_for_prompt()?;
        // Wide, so that no line is folded; and echoing, as terminals do.
        terminal.type_text("stty sane cols 200\n")?;
        terminal.wait_for_prompt()?;
        Ok(terminal)
    }

    /// Types something, and forgets what was shown before.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        self.shown.clear();
        self.last = Instant::now();
        self.file
            .write_all(text.as_bytes())
            .context("type into the terminal")
    }

    /// What the terminal shows.
    pub fn screen(&mut self) -> Result<Screen> {
        self.read()?;
        let text = String::from_utf8_lossy(&self.shown).replace('\r', "");
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
        Ok(Screen {
            lines,
            prompt,
            is_ready,
        })
    }

    /// How long nothing has been shown.
    pub fn quiet(&self) -> Duration {
        self.last.elapsed()
    }

    /// Waits until the shell asks for the next command.
    pub fn wait_for_prompt(&mut self) -> Result<()> {
        let start = Instant::now();
        while self.screen()?.prompt.is_none() {
            let is_late = start.elapsed() > scaled(20_000);
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
