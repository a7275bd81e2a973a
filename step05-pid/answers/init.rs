//! An answer to the exercise `init`: PID 1 reaps orphans and passes on all signals.
//!
//! Adds to step 5 what tini and other small inits do. It takes the place of `command.rs`,
//! which waits for one process and passes on two signals.
//!
//! Read: pid_namespaces(7), wait(2), signalfd(2), SI_KERNEL in sigaction(2).

#[path = "init/signals.rs"]
mod signals;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, sethostname};

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

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
    signals::block_signals()?;
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
    // Our children will be in the new PID namespace. We stay where we are.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID).context(MAKE_NAMESPACES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    wait(Pid::from_raw(i32::try_from(child.id())?))
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
    execute(Command::new(&argv[0]).args(&argv[1..]).env_remove(MARK))
}

/// The new UTS namespace began as a copy of the host's.
fn set_hostname() -> Result<()> {
    sethostname("container").context("set the hostname")
}

/// Executes `command`, waits until it has ended, and returns its exit status.
///
/// As in a shell, the status is 127 if there is no such command, and 126 if there
/// is one that cannot be executed.
fn execute(command: &mut Command) -> Result<ExitCode> {
    let signals = signals::passed_on();
    #[expect(unsafe_code, reason = "nothing else runs between fork and exec")]
    // SAFETY: after fork(2) only async-signal-safe functions may be called
    // (signal-safety(7)). The closure makes one system call and allocates nothing.
    unsafe {
        // A signal that is blocked stays blocked across exec, and a command that
        // inherits that is deaf to Ctrl-C.
        command.pre_exec(move || signals.thread_unblock().map_err(io::Error::from));
    }
    match command.spawn() {
        Ok(child) => wait(Pid::from_raw(i32::try_from(child.id())?)),
        Err(error) => not_executed(command, error),
    }
}

/// Says why the command was not executed, in words and by the exit status.
fn not_executed(command: &Command, error: io::Error) -> Result<ExitCode> {
    use Errno::{EAGAIN, EMFILE, ENFILE, ENOENT, ENOMEM};
    let what = format!("execute {}", command.get_program().to_string_lossy());
    let code = match error.raw_os_error().map(Errno::from_raw) {
        Some(ENOENT) => 127,
        // These come from pipe(2) and fork(2): the command is not to blame.
        Some(EAGAIN | EMFILE | ENFILE | ENOMEM) => return Err(error).context(what),
        _ => 126,
    };
    // If standard error is closed, the exit status alone has to tell.
    writeln!(io::stderr(), "error: {what}: {error}").ok();
    Ok(ExitCode::from(code))
}

/// Reaps every child until process `pid` has ended, and returns the exit status of that:
/// its own, or 128 + n if signal n ended it.
///
/// Signals are passed on to it. When its parent ends before it, a process is an orphan, and
/// the kernel makes it a child of PID 1.
fn wait(pid: Pid) -> Result<ExitCode> {
    let signals = SignalFd::with_flags(&signals::passed_on(), SfdFlags::SFD_CLOEXEC);
    let signals = signals.context("make a signalfd")?;
    loop {
        // One SIGCHLD may stand for many ends: a signal that is pending is not counted.
        while let Some((ended, status)) = reap()? {
            if ended == pid {
                let signal = status.signal().map(|number| 128 + number);
                let code = status.code().or(signal).unwrap_or(125);
                return Ok(ExitCode::from(u8::try_from(code)?));
            }
        }
        if let Some(signal) = signals.read_signal().context("wait for a signal")? {
            signals::pass_on(&signal, pid)?;
        }
    }
}

/// Takes the exit status of a child that has ended, whichever, and with it away the zombie.
fn reap() -> Result<Option<(Pid, ExitStatus)>> {
    let mut status = 0;
    #[expect(unsafe_code, reason = "nix's waitpid fails after a real-time signal")]
    // SAFETY: waitpid(2) writes one int, to where there is one.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    match Errno::result(pid).context("wait for the child processes")? {
        0 => Ok(None),
        pid => Ok(Some((Pid::from_raw(pid), ExitStatus::from_raw(status)))),
    }
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
