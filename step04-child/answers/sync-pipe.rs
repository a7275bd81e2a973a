//! An answer to the exercise `sync-pipe`: `child` waits until `run` has done its part.
//!
//! Adds to step 4: a pipe from `run` to `child`, and `--pid-file`, the part of `run`.
//!
//! Read: pipe(7), fcntl(2), fifo(7).

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{pipe2, sethostname};

const USAGE: &str = concat!(
    "usage: ",
    env!("CARGO_BIN_NAME"),
    " run [--pid-file FILE] [--] COMMAND [ARG...]"
);
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

/// In the environment, this tells `child` which descriptor is the pipe's read end.
const PIPE: &str = "PIPE_TO_READ";

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
        Some("run") => {
            let (pid_file, argv) = parse(&args[2..])?;
            run(pid_file, argv)
        }
        Some("child") if args.len() > 2 => child(&args[2..]),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Takes `--pid-file FILE` from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(mut argv: &[OsString]) -> Result<(Option<&OsStr>, &[OsString])> {
    let mut pid_file = None;
    while let [option, rest @ ..] = argv {
        match (option.as_bytes(), rest) {
            (b"--pid-file", [value, rest @ ..]) if !value.is_empty() => {
                pid_file = Some(value.as_os_str());
                argv = rest;
            }
            (b"--pid-file", _) => bail!("expected a file after --pid-file\n{USAGE}"),
            (b"--", _) => {
                argv = rest;
                break;
            }
            ([b'-', ..], _) => bail!("there is no option {}\n{USAGE}", option.to_string_lossy()),
            _ => break,
        }
    }
    if argv.is_empty() {
        bail!("expected `run` and a command\n{USAGE}");
    }
    Ok((pid_file, argv))
}

/// Starts `child` in namespaces of its own, and does its part before that goes on.
fn run(pid_file: Option<&OsStr>, argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context(MAKE_NAMESPACES)?;
    // Of the two ends only the one to read from outlives exec. If `child` had the other
    // too, the pipe would never end for it: it would be waiting for itself.
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    fcntl(&reader, FcntlArg::F_SETFD(FdFlag::empty())).context("keep a pipe open across exec")?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .env(PIPE, reader.as_raw_fd().to_string())
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    drop(reader);
    if let Some(file) = pid_file {
        write_pid(child.id(), file)?;
    }
    // A byte says "go on". That the pipe ends must not: it also does when we are killed.
    let mut writer = File::from(writer);
    writer.write_all(b"!").context("tell child to go on")?;
    let status = command::wait(child);
    // Our end was open until now. That is how `child` knows that we were there.
    drop(writer);
    status
}

/// Writes the container's PID on the host to `file`. If that is a FIFO, this waits until
/// somebody reads it.
fn write_pid(pid: u32, file: &OsStr) -> Result<()> {
    // There is no command yet that would have to be told of a signal. So let one end us:
    // then the pipe ends too, and with it `child`.
    SigSet::all().thread_unblock().context("unblock signals")?;
    fs::write(file, format!("{pid}\n"))
        .with_context(|| format!("write the PID to {}", file.to_string_lossy()))?;
    command::block_signals()
}

/// Sets the container up from within, and executes the command.
fn child(argv: &[OsString]) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start `child`: by hand, it would change the host\n{USAGE}");
    }
    // Should `run` end while we wait, or at any time later, the kernel kills us.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    if !is_told_to_go_on()? {
        // Whoever could be told why has ended.
        return Ok(ExitCode::from(125));
    }
    announce("Running in child", argv)?;
    set_hostname()?;
    command::execute(
        Command::new(&argv[0])
            .args(&argv[1..])
            .env_remove(MARK)
            .env_remove(PIPE),
    )
}

/// Waits until `run` has done its part, or has ended before that.
fn is_told_to_go_on() -> Result<bool> {
    let number = env::var(PIPE).context("find out which pipe to read")?;
    let number = number.parse().context("find out which pipe to read")?;
    #[expect(
        unsafe_code,
        reason = "a number says nothing about who owns a descriptor"
    )]
    // SAFETY: `run` has opened this descriptor for us, and nothing else here uses it. It is
    // closed at the end of this function, and so the command does not inherit it.
    let mut pipe = unsafe { File::from_raw_fd(number) };
    let what = "wait for run to go on";
    // This returns 0, the end, as soon as nobody has the other end open any more.
    if pipe.read(&mut [0]).context(what)? == 0 {
        return Ok(false);
    }
    // The byte outlives `run`, which may have been killed before we asked to be. But as long
    // as `run` is there, it has its end open, and a second read(2) would wait: EAGAIN.
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context(what)?;
    match pipe.read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        result => result.map(|_| false).context(what),
    }
}

/// The new UTS namespace began as a copy of the host's.
fn set_hostname() -> Result<()> {
    sethostname("container").context("set the hostname")
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}]"))
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
