//! The suites of the steps: test programs that cargo builds, and that list what they ask.

use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Gid, Uid, User};
use serde_json::{Value, json};

/// The tests of a step.
pub struct Suite {
    /// The step: `step05-pid`.
    pub step: String,
    /// Their program.
    path: PathBuf,
}

/// What is asked of a suite.
pub struct Question<'a> {
    pub suite: &'a Suite,
    /// The tests that are wanted.
    pub names: Vec<String>,
    /// What the names of these tests begin with.
    pub module: &'static str,
    /// How the names of those begin that are not to be run.
    pub skip: Vec<String>,
}

impl Suite {
    /// The suite's program, to be started for a test of `program`.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command
            .current_dir(top())
            .stdin(Stdio::null())
            .env("CONTAINER", program)
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// The names of the tests in a module.
    fn list(&self, program: &Path, module: &str) -> Result<Vec<String>> {
        let output = self.command(program).args(["--list", module]).output();
        let output = output.with_context(|| format!("list the tests of {}", self.step))?;
        let list = String::from_utf8_lossy(&output.stdout);
        let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
        let names = names.filter(|name| name.starts_with(module));
        Ok(names.map(str::to_owned).collect())
    }
}

/// What each step teaches: its suite has all lessons of the steps before it, too.
pub fn lessons<'a>(suites: &'a [Suite], program: &Path) -> Result<Vec<Question<'a>>> {
    let module = "lesson::";
    let mut known: Vec<String> = Vec::new();
    let questions = suites.iter().map(|suite| {
        let all = suite.list(program, module)?;
        let (skip, names): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|name| known.contains(name));
        known.extend(names.iter().cloned());
        Ok(Question {
            suite,
            names,
            module,
            skip,
        })
    });
    questions.collect()
}

/// The exercises of each step. The project is among them, but skipped: it would take all our
/// time.
pub fn exercises<'a>(suites: &'a [Suite], program: &Path) -> Result<Vec<Question<'a>>> {
    let module = "exercise::";
    let questions = suites.iter().map(|suite| {
        Ok(Question {
            suite,
            skip: vec![format!("{module}{}::", course::PROJECT)],
            names: suite.list(program, module)?,
            module,
        })
    });
    questions.collect()
}

/// Builds the suites of all steps, and returns them in their order.
pub fn build() -> Result<Vec<Suite>> {
    let log = memory_file()?;
    let mut cargo = cargo();
    cargo.stdout(log.try_clone().context("share a file")?);
    let status = wait(cargo.spawn().context(CARGO_IS_MISSING)?)?;
    ensure!(
        status.success(),
        "the tests cannot be built: `cargo test --no-run` fails"
    );
    let mut suites: Vec<Suite> = read_all(log)?.lines().filter_map(suite).collect();
    ensure!(!suites.is_empty(), "cargo has built no tests of any step");
    suites.sort_by(|one, other| one.step.cmp(&other.step));
    Ok(suites)
}

/// Waits for cargo, which is quiet unless something is wrong. If it takes long, we tell.
fn wait(mut cargo: Child) -> Result<ExitStatus> {
    let start = Instant::now();
    let mut has_told = false;
    loop {
        if let Some(status) = cargo.try_wait().context("wait for cargo")? {
            return Ok(status);
        }
        if !has_told && start.elapsed() > Duration::from_secs(1) {
            writeln!(io::stderr(), "{BUILDING}").ok();
            has_told = true;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

const BUILDING: &str = "Building the tests: the first time, this takes a minute.";

const CARGO_IS_MISSING: &str = "execute cargo (as root: `sudo env PATH=\"$PATH\" …`)";

/// Reads a line of what cargo tells about something that it has built:
/// `{"reason":"compiler-artifact",…,"target":{"kind":["test"],"name":"step05_pid",…},"executable":"/…",…}`
fn suite(line: &str) -> Option<Suite> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let step = target["name"].as_str()?.replace('_', "-");
    let is_suite = target["kind"] == json!(["test"]) && course::STEPS.contains(&&*step);
    let path = message["executable"].as_str()?.into();
    is_suite.then_some(Suite { step, path })
}

/// `cargo test` for the suites. What root built for a user who called sudo, that user could
/// not build again: so the user does it.
fn cargo() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With sudo, the compiler may be in no folder of PATH. It lies beside cargo.
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = Path::new(&cargo)
        .parent()
        .filter(|folder| folder.is_absolute());
    let folders = env::split_paths(&path).chain(beside.map(Path::to_path_buf));
    let mut command = Command::new(&cargo);
    command
        .args(["test", "--quiet", "--no-run", "--test", "step0*"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(top())
        .env("PATH", env::join_paths(folders).unwrap_or(path.clone()));
    if let Some((user, group)) = caller() {
        command.uid(user.as_raw()).gid(group.as_raw());
        if let Ok(Some(user)) = User::from_uid(user) {
            command.env("HOME", user.dir);
        }
    }
    command
}

/// Who called sudo.
fn caller() -> Option<(Uid, Gid)> {
    let id = |name| env::var(name).ok()?.parse::<u32>().ok();
    let caller = (
        Uid::from_raw(id("SUDO_UID")?),
        Gid::from_raw(id("SUDO_GID")?),
    );
    Uid::effective().is_root().then_some(caller)
}

/// The folder of the repository.
pub fn top() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    top.canonicalize().unwrap_or(top)
}

/// A file for what a program prints. Unlike a pipe it is never full, and never without a
/// reader: a suite could not clean up after a write that fails.
pub fn memory_file() -> Result<File> {
    let file = memfd_create(c"output", MFdFlags::MFD_CLOEXEC).context("make a file in memory")?;
    Ok(File::from(file))
}

/// All that has been printed into a file.
pub fn read_all(mut file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().context("rewind a file")?;
    file.read_to_end(&mut bytes).context("read a file")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
