//! An answer to the exercise `overlay`: many containers on one image.
//!
//! Adds to step 6: what the command writes lies in memory, above the root filesystem, and
//! is gone with the container.
//!
//! Read: mount_namespaces(7), tmpfs(5), and `filesystems/overlayfs.rst` in the kernel's
//! documentation.

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, chown, chroot};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::statvfs::statvfs;
use nix::unistd::sethostname;

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
    announce("Running in child", argv)?;
    set_hostname()?;
    make_mounts_private()?;
    enter_root()?;
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

/// Makes an overlay of the root filesystem our `/`.
fn enter_root() -> Result<()> {
    let is_first = is_in_the_first_user_namespace()?;
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    chroot(&root).with_context(|| {
        let root = root.to_string_lossy();
        format!("chroot to {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    mount_overlay(is_first)?;
    enter_top()?;
    chroot(".").context("chroot to the overlay")
}

/// Covers the image, which is our root, with an overlay of itself: the image is read, and
/// what is written goes to a folder above it.
///
/// Here that folder is in memory. Real runtimes keep it on disk until the container is
/// removed, and have a folder below for each layer of the image.
fn mount_overlay(is_first: bool) -> Result<()> {
    let image = fs::metadata("/").context("look at the image")?;
    // What the image's mount forbids, the overlay has to forbid too.
    let flags = statvfs("/").context("look at the image's mount")?.flags();
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let kept = MsFlags::from_bits_truncate(flags.bits()) & kept;
    mount_over_root("tmpfs", MsFlags::empty(), "mode=700")?;
    enter_top()?;
    for folder in ["upper", "work"] {
        fs::create_dir(folder).with_context(|| format!("make the folder {folder}"))?;
    }
    // The topmost folder of the overlay is the upper one: of this owner, with these rights.
    let (owner, group) = (Some(image.uid()), Some(image.gid()));
    match chown("upper", owner, group) {
        // In a user namespace it may be somebody who is not known there. Then it is ours.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {}
        result => result.context("set the upper folder's owner")?,
    }
    fs::set_permissions("upper", image.permissions()).context("set the upper folder's rights")?;
    // The working directory is in the tmpfs by now, and `/` is the image.
    let folders = "lowerdir=/,upperdir=upper,workdir=work";
    // What overlayfs notes about a file, it writes to attributes that only the first root
    // may write; or, from Linux 5.11 on, to the owner's.
    let notes = if is_first { "" } else { ",userxattr" };
    mount_over_root("overlay", kept, &format!("{folders}{notes}"))
}

/// In each other user namespace root has fewer rights over file systems. Its number is what
/// names a namespace, and that of the first one never changes.
fn is_in_the_first_user_namespace() -> Result<bool> {
    let namespace = fs::metadata("/proc/self/ns/user").context("look at the user namespace")?;
    Ok(namespace.ino() == 0xefff_fffd)
}

/// Mounts a new file system, which needs no device, over our root.
fn mount_over_root(kind: &str, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(kind), "/", Some(kind), flags, Some(options))
        .with_context(|| format!("mount {kind} on the root filesystem"))
}

/// Goes to what was mounted last over our root. `/` still leads to what lies beneath, and so
/// may its name. In a root directory `..` stays there, but goes up to what lies on it.
fn enter_top() -> Result<()> {
    env::set_current_dir("/..").context("change directory to what lies on /")
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
