//! An answer to the exercise `clone`: clone(2) instead of unshare(2).
//!
//! Takes the place of step 5's unshare: a process is born in its new namespaces, and the
//! one that starts it stays where it is.
//!
//! Read: clone(2), pid_namespaces(7), wait(2).

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, clone};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, sethostname};

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

/// In bytes: what Rust, too, gives to a new thread.
const STACK_SIZE: usize = 2 * 1024 * 1024;

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
    let child = clone_child(argv)?;
    // Not to standard output, where the command may be writing by now. If nobody can read
    // it, the container runs all the same.
    writeln!(io::stderr(), "On the host, child is {child}").ok();
    wait(child)
}

/// Makes a process in new namespaces, and returns its PID on the host. Unlike after
/// unshare(2), this process itself is in none of them.
fn clone_child(argv: &[OsString]) -> Result<Pid> {
    let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID;
    let start = Box::new(|| execute_child(argv));
    let mut stack = Vec::new();
    // `vec!` would abort where there is too little memory, as after `ulimit -v`.
    let reserved = stack.try_reserve_exact(STACK_SIZE);
    reserved.context("allocate a stack (is there a limit? see `ulimit -v`)")?;
    stack.resize(STACK_SIZE, 0);
    #[expect(unsafe_code, reason = "nix has no safe clone")]
    // SAFETY: without CLONE_VM the new process has a copy of our memory, in which `start`
    // and the stack live on, whatever we do with ours. We have one thread, so that no other
    // holds a lock that would stay closed in the copy. And `start` needs little stack.
    let child = unsafe { clone(start, &mut stack, flags, Some(libc::SIGCHLD)) };
    // The low byte of the flags is the signal that tells the parent of the child's end.
    // Without SIGCHLD there, waitpid(2) does not find it: ECHILD.
    child.context(MAKE_NAMESPACES)
}

/// The new process begins here, and becomes `child`. It could go on right away, since it has
/// a copy of all that we know; but as a program of its own it is as in every other step.
fn execute_child(argv: &[OsString]) -> isize {
    let error = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .exec();
    let what = "execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)";
    writeln!(io::stderr(), "error: {what}: {error}").ok();
    125
}

/// Does as [`command::wait`] does, for a process that no `Command` has started.
fn wait(child: Pid) -> Result<ExitCode> {
    let signals = SigSet::thread_get_mask().context("get the blocked signals")?;
    loop {
        let status = waitpid(child, Some(WaitPidFlag::WNOHANG));
        let code = match status.context("wait for the child process")? {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            _ => {
                let signal = signals.wait().context("wait for a signal")?;
                if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                    kill(child, signal).with_context(|| format!("pass {signal} on to {child}"))?;
                }
                continue;
            }
        };
        return Ok(ExitCode::from(u8::try_from(code)?));
    }
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
