//! An answer to the exercise `enter`: what `docker exec` is.
//!
//! Executes a command in a container that runs already: in the namespaces of one of its
//! processes, and with the same root directory.
//! Leaves out: the user namespace, in which real runtimes also become root of the
//! container, and the cgroup. What you start so is not counted, and has all your rights.
//!
//! Read: setns(2), namespaces(7), proc_pid_ns(5), proc_pid_root(5).

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir};

const USAGE: &str = "usage: enter PID COMMAND [ARG...]";
const TAKES_ROOT: &str = "takes root: ask `cargo run --bin doctor`";

/// The namespaces to join, as a process's folder `ns` names them.
const KINDS: [&str; 6] = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];

/// How to open a folder only to start from it. No command inherits it.
const PLACE: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    command::block_signals()?;
    let args: Vec<OsString> = env::args_os().collect();
    match args.get(1).and_then(|word| word.to_str()) {
        Some("--help" | "-h") => help(),
        Some(pid) if pid.parse::<u32>().is_ok() && args.len() > 2 => enter(pid, &args[2..]),
        _ => bail!("expected a PID and a command\n{USAGE}"),
    }
}

/// Executes the command where the process `pid` is.
fn enter(pid: &str, argv: &[OsString]) -> Result<ExitCode> {
    // All is opened before the first namespace is joined: in there, /proc is another one
    // or none, and the process has another PID.
    let process = open(format!("/proc/{pid}").as_str(), PLACE, Mode::empty())
        .with_context(|| format!("find process {pid}"))?;
    let root = openat(&process, "root", PLACE, Mode::empty())
        .with_context(|| format!("open the root directory of process {pid} ({TAKES_ROOT})"))?;
    let namespaces = open_namespaces(&process)
        .with_context(|| format!("open the namespaces of process {pid} ({TAKES_ROOT})"))?;
    for (kind, namespace) in KINDS.iter().zip(namespaces) {
        // 0 for a flag: the descriptor tells what kind of namespace it is.
        setns(namespace, CloneFlags::empty()).with_context(|| {
            format!("join the {kind} namespace of process {pid} ({TAKES_ROOT})")
        })?;
    }
    enter_root(root)?;
    // Joining a PID namespace, like making one, moves our children and not ourselves: it
    // is as a child of ours that the command has a PID in there.
    command::execute(Command::new(&argv[0]).args(&argv[1..]))
}

/// A PID is used again when its process has ended. But a descriptor of the folder in /proc
/// stays that of one process, and all that is opened by way of it belongs to that one.
fn open_namespaces(process: &OwnedFd) -> Result<Vec<OwnedFd>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let names = KINDS.iter().map(|kind| format!("ns/{kind}"));
    names
        .map(|name| openat(process, name.as_str(), flags, Mode::empty()))
        .collect()
}

/// Makes the process's root directory our `/`. Joining a mount namespace brings its topmost
/// one: where a chroot has led is a property of each process.
fn enter_root(root: OwnedFd) -> Result<()> {
    fchdir(root).context("change directory to the container's root")?;
    chroot(".").context("chroot to the container's root")
}

fn help() -> Result<ExitCode> {
    writeln!(io::stdout(), "{USAGE}").context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
