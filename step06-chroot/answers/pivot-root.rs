//! An answer to the exercise `pivot-root`: another root instead of a way down from the old.
//!
//! Adds to step 6: the old root directory is in no mount of the container, and nothing that
//! is open leads back there. /proc, as in step 7.
//!
//! Read: pivot_root(2), umount2(2), mount_namespaces(7), proc_pid_fd(5).

#[path = "../src/command.rs"]
mod command;
#[path = "pivot-root/inherited.rs"]
mod inherited;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir, pivot_root, sethostname};

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
    // Our children will be in the new PID namespace. We stay where we are.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
        .context(MAKE_NAMESPACES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
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
    inherited::close_inherited()?;
    announce("Running in child", argv)?;
    set_hostname()?;
    make_mounts_private()?;
    let roots = enter_root()?;
    mount_proc()?;
    swap_roots(roots)?;
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

/// How to open a folder only to start from it. No command inherits it.
const PLACE: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// The root directories, while there are two.
struct Roots {
    old: OwnedFd,
    new: OwnedFd,
}

/// Makes the root filesystem a mount and our `/`: for the set-up by chroot(2).
///
/// Names then lead where they lead for the command, and `..` in a link never out. After
/// pivot_root(2) the old root would lie on top of the new one, and `..` lead there.
fn enter_root() -> Result<Roots> {
    let old = open("/", PLACE, Mode::empty()).context("open the old root")?;
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    chroot(root.as_os_str()).with_context(|| {
        let root = root.to_string_lossy();
        format!("chroot to {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    // pivot_root(2) swaps two mounts, and a folder is none: bound to itself it becomes one.
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/"), "/", None::<&str>, flags, None::<&str>).context("bind the new root")?;
    // `/` still leads to the folder beneath, and so may the name that it had. In a root
    // directory `..` stays there, but goes up to what lies on it.
    env::set_current_dir("/..").context("change directory to what lies on /")?;
    chroot(".").context("chroot to the new root")?;
    let new = open("/", PLACE, Mode::empty()).context("open the new root")?;
    Ok(Roots { old, new })
}

/// Mounts a /proc that shows the PID namespace of the process that mounts it: ours.
fn mount_proc() -> Result<()> {
    // A link could lead to `/` itself, and what is mounted there lies on top of us, unseen.
    if Path::new("/proc").is_symlink() {
        bail!("mount proc on /proc: in the root filesystem that is a link; make it a folder");
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
        .context("mount proc on /proc (without root, it takes one with nothing mounted in it)")
}

/// Makes the new root the root of all mounts, and lets go of the old one and of all that the
/// host has mounted in it: because of that, umount(2) alone would say EBUSY.
///
/// This comes last. In a user namespace, proc can be mounted only by who sees another one
/// already, and the last of these goes with the old root.
fn swap_roots(roots: Roots) -> Result<()> {
    // Back outside, as every root can who has a folder open there: pivot_root(2) says EBUSY
    // to a process that is in the new root already.
    fchdir(&roots.old).context("change directory to the old root")?;
    chroot(".").context("chroot to the old root")?;
    fchdir(&roots.new).context("change directory to the new root")?;
    // The second path is where the old root goes: here on top of the new one, so that it
    // takes no folder. All processes of this mount namespace go along, `run` too.
    pivot_root(".", ".").context("pivot_root to the new root")?;
    // The working directory is the new root, and what is unmounted is what lies on top.
    umount2(".", MntFlags::MNT_DETACH).context("detach the old root")
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
