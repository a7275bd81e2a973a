//! An answer to the exercise `rootless`: a user namespace, so that no root is needed.
//!
//! Adds to step 5: whoever you are outside, you are root inside, and only there.
//!
//! Read: user_namespaces(7), setgroups(2).

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getegid, geteuid, sethostname, write};

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str = "make namespaces (takes no root, but a system that allows it, and room \
    in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

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
        Some("run") if args.len() > 2 => run(&args[2..]),
        Some("child") if args.len() > 2 => child(&args[2..]),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Starts `child` in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // In the new user namespace we are nobody until somebody says who we were outside.
    let (user, group) = (geteuid(), getegid());
    // Our children will be in the new PID namespace. We stay where we are, but for the user
    // namespace. The kernel makes that one first: in it we have all capabilities, and as
    // the others belong to it, these are enough to make them.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)
        .context(MAKE_NAMESPACES)?;
    map_ids(user, group)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}

/// Makes user and group 0 of the new user namespace stand for ours outside.
///
/// To map any others takes root: real runtimes call newuidmap(1), which has the setuid bit.
fn map_ids(user: Uid, group: Gid) -> Result<()> {
    // A file may be closed to a group and open to all others. Who could leave that group
    // would get in, so an ordinary user may map a group only if setgroups(2) is forbidden.
    write_once("/proc/self/setgroups", "deny")?;
    // The first ID inside, the first one outside, and how many there are.
    write_once("/proc/self/uid_map", &format!("0 {user} 1"))?;
    write_once("/proc/self/gid_map", &format!("0 {group} 1"))
}

/// Writes all of `text` in one write(2): the kernel takes no mapping in two parts.
fn write_once(path: &str, text: &str) -> Result<()> {
    let what = || format!("write {text} to {path}");
    // Where a user may not read the program, a process that executes it is not theirs in /proc.
    let file = File::options().write(true).open(path).with_context(|| {
        format!("open {path} (takes a /proc, and a program that you may read: mode 755)")
    })?;
    write(&file, text.as_bytes()).with_context(what)?;
    Ok(())
}

/// Sets the container up from within, and executes the command.
fn child(argv: &[OsString]) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start `child`: by hand, it would change the host\n{USAGE}");
    }
    // When `run` ends, however it ends, the kernel kills us; and when PID 1 has ended,
    // it kills all that is left in the PID namespace. So nothing outlives `run`, unless
    // that has ended before this line: real runtimes let `child` wait on a pipe first.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    announce("Running in child", argv)?;
    set_hostname()?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]).env_remove(MARK))
}

/// The new UTS namespace began as a copy of the host's.
fn set_hostname() -> Result<()> {
    sethostname("container").context("set the hostname")
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}] as {}", process::id()))
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
