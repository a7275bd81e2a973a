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
#[path = "detach/commands.rs"]
mod commands;
#[path = "detach/container.rs"]
mod container;
#[path = "../src/hierarchy.rs"]
mod hierarchy;
#[path = "detach/id.rs"]
mod id;
#[path = "detach/inherited.rs"]
mod inherited;
#[path = "detach/supervisor.rs"]
mod supervisor;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitCode, Stdio};
use std::slice;

use anyhow::{Context, Result, anyhow, bail};
use lexopt::Parser;
use lexopt::prelude::*;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, sethostname};

use crate::cgroup::Cgroup;
use crate::container::Container;

const USAGE: &str = "\
usage: detach run [-d [--name NAME]] [--] COMMAND [ARG...]
       detach ps
       detach logs NAME
       detach stop [-t SECONDS] NAME
       detach rm NAME";
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";
const EXECUTE_SELF: &str = "execute /proc/self/exe (takes a /proc: `mount -t proc proc /proc`)";

/// In the environment, this tells `child` that it was we that started it.
const MARK: &str = "STARTED_BY_RUN";

/// In the environment, this tells `child` which cgroup to join.
const CGROUP: &str = "CGROUP_TO_JOIN";

/// In the environment, this tells a `child` that is detached where its state is.
const FOLDER: &str = "FOLDER_OF_CONTAINER";

/// The cap counts every process of the container, `child` too.
const MAX_PROCESSES: u32 = 20;

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
                Some(name) => supervisor::run_detached(&name, &argv).map(ExitCode::from),
                None => run(&argv),
            }
        }
        ["supervise", name, _, ..] => supervise(name, &args[2..]),
        ["child", _, ..] => child(&args[1..]),
        ["--help" | "-h", ..] => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ if commands::execute(&words)? => Ok(ExitCode::SUCCESS),
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

/// Stays with a container that is detached.
fn supervise(name: &str, argv: &[OsString]) -> Result<ExitCode> {
    command::block_signals()?;
    supervisor::stay_with(name, argv, |container| host(container, argv)).map(ExitCode::from)
}

/// Runs the container. Returns whether there was one, and how `child` ended.
fn host(container: &Container, argv: &[OsString]) -> Result<(bool, u8)> {
    let log = container.open_log()?;
    let cgroup = make_namespaces_and_cgroup()?;
    container.set_cgroups(slice::from_ref(&cgroup.path))?;
    let mut child = child_command(argv, &cgroup)
        .env(FOLDER, &container.folder)
        .stdout(Stdio::piped())
        .spawn()
        .context(EXECUTE_SELF)?;
    let output = child.stdout.take().context("find what child writes")?;
    let is_started = supervisor::hears_started(output)?;
    if is_started {
        supervisor::tell_started(&log)?;
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
            return Ok(supervisor::code_of(status));
        }
        let signal = signals.wait().context("wait for a signal")?;
        if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
            kill(pid, signal).with_context(|| format!("pass {signal} on to process {pid}"))?;
        }
    }
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

/// Sets the container up from within, and executes the command.
fn child(argv: &[OsString]) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start `child`: by hand, it would change the host\n{USAGE}");
    }
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
            supervisor::tell_started(log)?;
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
