//! An answer to the exercise `capabilities`: a root that can do less, or another user.
//!
//! Adds to step 8: most of what root is made of is taken away before the command starts, for
//! good. `--user` gives it another user's number.
//!
//! Read: capabilities(7), credentials(7), prctl(2), capset(2).

#[path = "../src/cgroup.rs"]
mod cgroup;
#[path = "../src/command.rs"]
mod command;
#[path = "../src/hierarchy.rs"]
mod hierarchy;
#[path = "capabilities/sets.rs"]
mod sets;
#[path = "capabilities/user.rs"]
mod user;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::iter;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use lexopt::Parser;
use lexopt::prelude::*;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::sethostname;

use crate::cgroup::Cgroup;
use crate::user::{User, expect_user, read_user};

const USAGE: &str = "usage: capabilities run [--user UID[:GID]] [--] COMMAND [ARG...]";
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

/// In the environment, this tells `child` which cgroup to join.
const CGROUP: &str = "CGROUP_TO_JOIN";

/// In the environment, this tells `child` which user the command is to be.
const USER: &str = "USER_TO_BE";

/// The cap counts every process of the container, `child` too.
const MAX_PROCESSES: u32 = 20;

/// The capabilities that are kept, with their numbers from `linux/capability.h`.
///
/// These are the ones that Docker keeps, without three: with MKNOD root makes a way to the
/// disks, with SYS_CHROOT it leaves a chroot, and with NET_RAW it listens to the network,
/// which is the host's here.
const KEPT: &[(&str, u32)] = &[
    ("CHOWN", 0),
    ("DAC_OVERRIDE", 1),
    ("FOWNER", 3),
    ("FSETID", 4),
    ("KILL", 5),
    ("SETGID", 6),
    ("SETUID", 7),
    ("SETPCAP", 8),
    ("NET_BIND_SERVICE", 10),
    ("AUDIT_WRITE", 29),
    ("SETFCAP", 31),
];

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    command::block_signals()?;
    let mut args = env::args_os().skip(1);
    let word = args.next().unwrap_or_default();
    match word.to_str() {
        Some("run") => {
            let (user, argv) = parse(args).map_err(|error| anyhow!("{error}\n{USAGE}"))?;
            run(user, &argv)
        }
        Some("child") if args.len() > 0 => child(&args.collect::<Vec<_>>()),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(args: impl Iterator<Item = OsString>) -> Result<(Option<User>, Vec<OsString>)> {
    let mut user = None;
    let mut words = Parser::from_args(args);
    while let Some(word) = words.next()? {
        match word {
            Long("user") => user = Some(read_user(&words.value()?)?),
            Value(word) => return Ok((user, iter::once(word).chain(words.raw_args()?).collect())),
            other => return Err(other.unexpected().into()),
        }
    }
    bail!("expected `run` and a command")
}

/// Starts `child` in namespaces of its own.
fn run(user: Option<User>, argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // Our children will be in the new PID namespace. We stay where we are.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
        .context(MAKE_NAMESPACES)?;
    let cgroup = Cgroup::with_cap(MAX_PROCESSES)?;
    let user = user.map_or_else(String::new, |(uid, gid)| format!("{uid}:{gid}"));
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .env(CGROUP, &cgroup.path)
        .env(USER, user)
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
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
    limit_processes()?;
    set_hostname()?;
    make_mounts_private()?;
    enter_root()?;
    mount_proc()?;
    sets::drop_capabilities(KEPT.iter().map(|(_, number)| 1 << number).sum())?;
    let mut command = Command::new(&argv[0]);
    become_user(&mut command)?;
    command::execute(
        command
            .args(&argv[1..])
            .env_remove(MARK)
            .env_remove(CGROUP)
            .env_remove(USER),
    )
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

/// Lets the command be another user, who has no capabilities at all.
///
/// Between fork and exec, `Command` calls setgid(2), setgroups(2) with no group, and last
/// setuid(2), after which it could not do the others. We ourselves stay root: a new user
/// would also lose what `set_pdeathsig` has asked for.
fn become_user(command: &mut Command) -> Result<()> {
    let user = env::var_os(USER).unwrap_or_default();
    if !user.is_empty() {
        let (uid, gid) = read_user(&user)?;
        expect_user((uid, gid))?;
        command.uid(uid).gid(gid);
    }
    Ok(())
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
