//! An answer to the exercise `born-in-cgroup`: `child` begins in its cgroup.
//!
//! Takes the place of step 8's unshare and of its join: with clone3(2) a process is born in
//! new namespaces, and in a cgroup of version 2. In version 1 it has to be moved there, as in
//! step 8.
//!
//! Read: clone(2), which has clone3 too; cgroups(7), and wait(2).

#[path = "../src/cgroup.rs"]
mod cgroup;
#[path = "../src/command.rs"]
mod command;
#[path = "../src/hierarchy.rs"]
mod hierarchy;

use std::convert::Infallible;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, sethostname};

use crate::cgroup::Cgroup;

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");
const MAKE_CHILD: &str = "make namespaces by clone3 (takes root, Linux 5.7, and room in \
    /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

/// A flag of clone3(2), from Linux 5.7 on, that has no room in the flags of clone(2).
const CLONE_INTO_CGROUP: u64 = 1 << 33;

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
    command::block_signals()?;
    let args: Vec<OsString> = env::args_os().collect();
    match args.get(1).and_then(|word| word.to_str()) {
        Some("run") if args.len() > 2 => run(&args[2..]),
        Some("child") if args.len() > 2 => child(&args[2..]),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Starts `child` in namespaces and in a cgroup of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    let cgroup = Cgroup::with_cap(MAX_PROCESSES)?;
    let child = clone_child(argv, &cgroup.path)?;
    wait(child)
}

/// Makes a process in new namespaces, and in the cgroup if that is of version 2. It becomes
/// `child`.
fn clone_child(argv: &[OsString], cgroup: &Path) -> Result<Pid> {
    let folder = File::open(cgroup);
    let folder = folder.with_context(|| format!("open the cgroup {}", cgroup.display()))?;
    let is_born_there = cgroup.join("cgroup.controllers").exists();
    if !is_born_there {
        // If nobody can read it, the container runs all the same.
        let why = "a process is born in a cgroup of version 2 only: child joins its own later";
        writeln!(io::stderr(), "{why}").ok();
    }
    // `struct clone_args`, which libc does not have for every processor, is eleven numbers.
    let (flags, signal, place) = (0, 4, 10);
    let mut args = [0_u64; 11];
    args[flags] = (libc::CLONE_NEWUTS | libc::CLONE_NEWPID | libc::CLONE_NEWNS) as u64;
    args[signal] = libc::SIGCHLD as u64;
    if is_born_there {
        args[flags] |= CLONE_INTO_CGROUP;
        args[place] = folder.as_raw_fd() as u64;
    }
    #[expect(unsafe_code, reason = "neither nix nor std has a function for clone3")]
    // SAFETY: without CLONE_VM and without a stack, this returns twice, as fork(2) does, and
    // the new process has a copy of our memory. We have one thread, so that no other holds a
    // lock that would stay closed in the copy.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, args.as_mut_ptr(), mem::size_of_val(&args)) };
    match Errno::result(pid).context(MAKE_CHILD)? {
        0 => {
            let Err(error) = become_child(argv, (!is_born_there).then_some(cgroup));
            writeln!(io::stderr(), "error: {error:#}").ok();
            process::exit(125)
        }
        pid => Ok(Pid::from_raw(i32::try_from(pid)?)),
    }
}

/// The new process begins here, and becomes `child`. It could go on right away, since it has
/// a copy of all that we know; but as a program of its own it is as in every other step.
fn become_child(argv: &[OsString], join: Option<&Path>) -> Result<Infallible> {
    join.map_or(Ok(()), cgroup::join)?;
    let error = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .exec();
    Err(error).context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")
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
    make_mounts_private()?;
    enter_root()?;
    mount_proc()?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]).env_remove(MARK))
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
