//! A throw-away host in which the book's transcripts are made.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use nix::unistd::sethostname;
use testkit::host::Host;

use crate::sources::top;
use crate::terminal::Terminal;

/// A host of its own: UTS, mount and PID namespaces, a cgroup, and this repository, copied
/// on write, so that nothing a page does lasts.
pub struct Laptop {
    host: Arc<Host>,
    init: Child,
    /// The number of PID 1.
    pid: String,
    /// `init` ends when this is closed.
    _input: ChildStdin,
}

impl Laptop {
    /// Moves the calling thread to a new laptop, with `rootfs` at `rootfs` if there is one.
    pub fn enter(rootfs: Option<&Path>) -> Result<Self> {
        let host = Arc::new(Host::enter(true)?);
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
        Terminal::open(command, Arc::clone(&self.host))
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
