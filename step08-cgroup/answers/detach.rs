//! An answer to the exercise `detach`: a container that stays when the terminal is closed.
//!
//! Adds to step 8: `run -d` starts a supervisor, in a session of its own, and ends. `ps`, `logs`,
//! `stop` and `rm` find the container by its name, in a folder with its state.
//!
//! Read: setsid(2), credentials(7), fcntl_locking(2), and `docker run --help`.

#[path = "../src/cgroup.rs"]
mod cgroup;
#[path = "../src/command.rs"]
mod command;
#[path = "detach/container.rs"]
mod container;
#[path = "../src/hierarchy.rs"]
mod hierarchy;
#[path = "detach/id.rs"]
mod id;
#[path = "detach/inherited.rs"]
mod inherited;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::iter;
use std::os::unix::fs::chroot;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use lexopt::Parser;
use lexopt::prelude::*;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout, sethostname, setsid};

use crate::cgroup::Cgroup;
use crate::container::{Container, State};

const USAGE: &str = "\
usage: detach run [-d [--name NAME]] [--] COMMAND [ARG...]
       detach ps
       detach logs NAME
       detach stop [-t SECONDS] NAME
       detach rm NAME";
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";
const EXECUTE_SELF: &str = "execute /proc/self/exe (takes a /proc: `mount -t proc proc /proc`)";

/// In the environment, this tells `supervise` and `child` that it was `run` that started them.
const MARK: &str = "STARTED_BY_RUN";

/// In the environment, this tells `child` which cgroup to join.
const CGROUP: &str = "CGROUP_TO_JOIN";

/// In the environment, this tells a `child` that is detached where its state is.
const FOLDER: &str = "FOLDER_OF_CONTAINER";

/// The cap counts every process of the container, `child` too.
const MAX_PROCESSES: u32 = 20;

/// How long `stop` waits, as Docker does.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words[..] {
        ["run", ..] => {
            let rest = args[1..].iter().cloned();
            let (name, argv) = parse(rest).map_err(|error| anyhow!("{error}\n{USAGE}"))?;
            match name {
                Some(name) => run_detached(&name, &argv),
                None => run(&argv),
            }
        }
        ["supervise", name, _, ..] => supervise(name, &args[2..]),
        ["child", _, ..] => child(&args[1..]),
        ["ps"] => list(),
        ["logs", name] => show_log(name),
        ["stop", name] => stop(name, PATIENCE),
        ["stop", "-t", seconds, name] => stop(name, parse_seconds(seconds)?),
        ["rm", name] => remove(name),
        ["--help" | "-h", ..] => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected one of these commands\n{USAGE}"),
    }
}

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too. The name is that of a container to detach.
fn parse(args: impl Iterator<Item = OsString>) -> Result<(Option<String>, Vec<OsString>)> {
    let (mut is_detached, mut name) = (false, None);
    let mut words = Parser::from_args(args);
    while let Some(word) = words.next()? {
        match word {
            Short('d') | Long("detach") => is_detached = true,
            Long("name") => name = Some(words.value()?.string()?),
            Value(word) => {
                if name.is_some() && !is_detached {
                    bail!("--name takes -d");
                }
                let name = match is_detached {
                    true => Some(name.map_or_else(draw_name, Ok)?),
                    false => None,
                };
                return Ok((name, iter::once(word).chain(words.raw_args()?).collect()));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    bail!("expected `run` and a command")
}

fn parse_seconds(word: &str) -> Result<Duration> {
    let seconds = word
        .parse()
        .with_context(|| format!("take {word} for seconds\n{USAGE}"));
    seconds.map(Duration::from_secs)
}

fn draw_name() -> Result<String> {
    let mut id = id::draw_id()?;
    id.truncate(id::SHORT_ID_LENGTH);
    Ok(id)
}

/// Starts `child` in namespaces of its own, and stays until it has ended.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    command::block_signals()?;
    announce("Running", argv)?;
    let cgroup = make_namespaces_and_cgroup()?;
    let child = child_command(argv, &cgroup).spawn().context(EXECUTE_SELF)?;
    command::wait(child)
}

/// Starts a supervisor that stays, waits until it has started the container, and prints the
/// name of that.
fn run_detached(name: &str, argv: &[OsString]) -> Result<ExitCode> {
    let mut supervisor = Command::new("/proc/self/exe")
        .args(["supervise", name])
        .args(argv)
        .env(MARK, "yes")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context(EXECUTE_SELF)?;
    if hears_started(&mut supervisor)? {
        return print(name).map(|()| ExitCode::SUCCESS);
    }
    // Until then it has our standard error, and so has told why.
    let status = supervisor.wait().context("wait for the supervisor")?;
    Ok(ExitCode::from(code_of(status)))
}

/// Waits until a process says that the command is there, or has no way left to say so.
fn hears_started(process: &mut Child) -> Result<bool> {
    let mut words = String::new();
    let output = process.stdout.take().context("find what it writes")?;
    let what = "wait for the start of the container";
    io::BufReader::new(output)
        .read_to_string(&mut words)
        .context(what)?;
    Ok(!words.is_empty())
}

/// Says that the command is there, and lets go of whoever has waited for that.
fn tell_started(log: &File) -> Result<()> {
    // If nobody waits any more, the container stays all the same.
    writeln!(io::stdout(), "started").ok();
    dup2_stdout(log).context("write standard output to the log")?;
    dup2_stderr(log).context("write standard error to the log")
}

/// Stays with a container that is detached: starts it, waits for it, and leaves its exit status.
fn supervise(name: &str, argv: &[OsString]) -> Result<ExitCode> {
    expect_mark()?;
    command::block_signals()?;
    // A session has at most one terminal, and whoever closes it sends SIGHUP to those in it.
    // A new one has none.
    setsid().context("begin a session")?;
    // Somebody may be waiting for the end of a pipe that our caller has.
    inherited::close_inherited()?;
    let (container, _lock) = Container::create(name, argv)?;
    let ended = host(&container, argv);
    match &ended {
        Ok((true, code)) => container.set_status(*code)?,
        // What never was there is in no list.
        _ => container.forget()?,
    }
    Ok(ExitCode::from(ended?.1))
}

/// Runs the container. Returns whether there was one, and how `child` ended.
fn host(container: &Container, argv: &[OsString]) -> Result<(bool, u8)> {
    let log = container.open_log()?;
    let cgroup = make_namespaces_and_cgroup()?;
    container.set_cgroup(&cgroup.path)?;
    let mut child = child_command(argv, &cgroup)
        .env(FOLDER, &container.folder)
        .stdout(Stdio::piped())
        .spawn()
        .context(EXECUTE_SELF)?;
    let is_started = hears_started(&mut child)?;
    if is_started {
        tell_started(&log)?;
        // Else nobody could unmount the file system that we began in.
        env::set_current_dir("/").context("change directory to /")?;
    }
    Ok((is_started, wait(child)?))
}

/// As [`command::wait`], whose exit status is for the one who calls us alone.
fn wait(mut child: Child) -> Result<u8> {
    let signals = SigSet::thread_get_mask().context("get the blocked signals")?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        if let Some(status) = child.try_wait().context("wait for the child process")? {
            return Ok(code_of(status));
        }
        let signal = signals.wait().context("wait for a signal")?;
        if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
            kill(pid, signal).with_context(|| format!("pass {signal} on to process {pid}"))?;
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|number| 128 + number);
    let code = status.code().or(signal);
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(125)
}

fn make_namespaces_and_cgroup() -> Result<Cgroup> {
    // Our children will be in the new PID namespace. We stay where we are.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
        .context(MAKE_NAMESPACES)?;
    Cgroup::with_cap(MAX_PROCESSES)
}

fn child_command(argv: &[OsString], cgroup: &Cgroup) -> Command {
    let mut child = Command::new("/proc/self/exe");
    child.arg("child").args(argv);
    child.env(MARK, "yes").env(CGROUP, &cgroup.path);
    child
}

fn expect_mark() -> Result<()> {
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start this: by hand, it would change the host\n{USAGE}");
    }
    Ok(())
}

/// Sets the container up from within, and executes the command.
fn child(argv: &[OsString]) -> Result<ExitCode> {
    expect_mark()?;
    // When who has started us ends, however that ends, the kernel kills us; and when PID 1 has
    // ended, it kills all that is left in the PID namespace.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    let log = match env::var_os(FOLDER) {
        Some(folder) => Some(open_log(folder.into())?),
        None => announce("Running in child", argv).map(|()| None)?,
    };
    limit_processes()?;
    set_hostname()?;
    make_mounts_private()?;
    enter_root()?;
    mount_proc()?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    for ours in [MARK, CGROUP, FOLDER] {
        command.env_remove(ours);
    }
    match log {
        Some(log) => execute_detached(&mut command, &log),
        None => command::execute(&mut command),
    }
}

/// Opens the log, if the supervisor lives. From now on we end with it; and if it has ended
/// before, nobody has its lock.
fn open_log(folder: PathBuf) -> Result<File> {
    let container = Container { folder };
    if !container.is_running()? {
        bail!("the supervisor has ended");
    }
    container.open_log()
}

/// As [`command::execute`], but tells when the command is there.
fn execute_detached(command: &mut Command, log: &File) -> Result<ExitCode> {
    let output = || log.try_clone().context("share the log");
    command.stdout(output()?).stderr(output()?);
    let blocked = SigSet::thread_get_mask().context("get the blocked signals")?;
    #[expect(unsafe_code, reason = "std has no safe function for it")]
    // SAFETY: after fork(2) this makes one system call, and allocates nothing.
    unsafe {
        command.pre_exec(move || blocked.thread_unblock().map_err(io::Error::from));
    }
    match command.spawn() {
        Ok(child) => {
            tell_started(log)?;
            command::wait(child)
        }
        Err(error) => {
            let name = command.get_program().to_string_lossy();
            writeln!(io::stderr(), "error: execute {name}: {error}").ok();
            let is_missing = error.kind() == ErrorKind::NotFound;
            Ok(ExitCode::from(if is_missing { 127 } else { 126 }))
        }
    }
}

fn list() -> Result<ExitCode> {
    container::list()?.iter().try_for_each(|line| print(line))?;
    Ok(ExitCode::SUCCESS)
}

fn show_log(name: &str) -> Result<ExitCode> {
    let mut log = Container::find(name)?.read_log()?;
    io::copy(&mut log, &mut io::stdout()).context("write the log to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// SIGTERM goes to the supervisor, which passes it on; SIGKILL to all that is in the cgroup.
fn stop(name: &str, patience: Duration) -> Result<ExitCode> {
    let container = Container::find(name)?;
    let began = Instant::now();
    if let State::Running(supervisor) = container.state()? {
        signal(supervisor, Signal::SIGTERM)?;
    }
    while container.is_running()? {
        if began.elapsed() >= patience {
            container
                .processes()?
                .into_iter()
                .try_for_each(|pid| signal(pid, Signal::SIGKILL))?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    print(name).map(|()| ExitCode::SUCCESS)
}

/// Between asking for a PID and this, the process may have ended, and that is what we want.
fn signal(pid: Pid, signal: Signal) -> Result<()> {
    // 0 would be all processes of our own group.
    if pid.as_raw() == 0 {
        bail!("the supervisor is in a PID namespace that is not below ours");
    }
    match kill(pid, signal) {
        Err(Errno::ESRCH) => Ok(()),
        result => result.with_context(|| format!("send {signal} to process {pid}")),
    }
}

fn remove(name: &str) -> Result<ExitCode> {
    Container::find(name)?.remove()?;
    print(name).map(|()| ExitCode::SUCCESS)
}

/// Joins the cgroup, while the host's /sys is still within reach.
fn limit_processes() -> Result<()> {
    let cgroup = env::var_os(CGROUP).context("find out which cgroup to join")?;
    cgroup::join(Path::new(&cgroup))
}

/// The new UTS namespace began as a copy of the host's.
fn set_hostname() -> Result<()> {
    sethostname("container").context("set the hostname")
}

/// Stops our mounts from reaching the host.
///
/// The mounts in a new mount namespace are copies, but a copy of a shared mount stays
/// a peer of the original, and systemd makes all mounts shared.
fn make_mounts_private() -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).context("make / private")
}

/// Makes the root filesystem our `/`.
fn enter_root() -> Result<()> {
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    chroot(&root).with_context(|| {
        let root = root.to_string_lossy();
        format!("chroot to {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    // chroot leaves the working directory where it was: outside, with `..` as a way out.
    env::set_current_dir("/").context("change directory to the new /")
}

/// Mounts a /proc that shows the PID namespace of the process that mounts it: ours.
fn mount_proc() -> Result<()> {
    // mount(2) follows a link. If that leads to `/`, nobody sees what is mounted there.
    if Path::new("/proc").is_symlink() {
        bail!("mount proc on /proc: in the root filesystem that is a link; make it a folder");
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("mount proc on /proc")
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
