//! An answer to the exercise `dev`: a /dev of its own, and a /tmp.
//!
//! Adds to step 7: the few devices that programs expect, terminals and shared memory, all
//! of it on file systems that end with the container.
//!
//! Read: tmpfs(5), mknod(2), null(4), random(4), pts(4), and `filesystems/devpts.rst` in the
//! kernel's documentation.

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{chroot, symlink};
use std::path::Path;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::unistd::sethostname;

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

/// Device files, with the numbers that the kernel's `admin-guide/devices.txt` gives them.
/// None of them reaches a disk, the memory or the console.
const DEVICES: &[(&str, u64, u64)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// The standard links, and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
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
    let host = File::open("/dev").context("open the host's /dev")?;
    enter_root()?;
    mount_proc()?;
    mount_dev()?;
    make_devices(host)?;
    mount_tmp()?;
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
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    expect_no_link("/proc")?;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("mount proc on /proc")
}

/// Mounts a small /dev, and in it terminals and shared memory that are the container's own.
fn mount_dev() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    mount_new("tmpfs", "/dev", flags, "mode=755,size=1m")?;
    // Each devpts is a new one: the terminals of the host have their names in another.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("devpts", "/dev/pts", flags, "newinstance,ptmxmode=0666")?;
    // What shm_open(3) makes is a file in here.
    let flags = flags | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/dev/shm", flags, "mode=1777,size=64m")
}

/// Mounts a /tmp that ends with the container.
fn mount_tmp() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/tmp", flags, "mode=1777")
}

/// Mounts a new file system, on a folder that is made if it is not there.
fn mount_new(kind: &str, path: &str, flags: MsFlags, options: &str) -> Result<()> {
    expect_no_link(path)?;
    fs::create_dir_all(path).with_context(|| format!("make the folder {path}"))?;
    mount(Some(kind), path, Some(kind), flags, Some(options))
        .with_context(|| format!("mount a {kind} on {path}"))
}

/// A link could lead to `/` itself, and what is mounted there lies on top of us, unseen; or into
/// another mount of ours, or beneath one.
fn expect_no_link(path: &str) -> Result<()> {
    if Path::new(path).is_symlink() {
        bail!("mount on {path}: in the root filesystem that is a link; make it a folder");
    }
    Ok(())
}

/// Fills /dev with device files and links, and closes the host's: as long as it is open,
/// /proc/1/fd has a way out of the root filesystem.
fn make_devices(host: File) -> Result<()> {
    // Else it would be taken away from the mode that mknod(2) is asked for.
    let mask = umask(Mode::empty());
    for (name, major, minor) in DEVICES {
        make_device(name, makedev(*major, *minor), &host)?;
    }
    umask(mask);
    for (name, target) in LINKS {
        symlink(target, Path::new("/dev").join(name))
            .with_context(|| format!("link /dev/{name} to {target}"))?;
    }
    Ok(())
}

/// Makes a device file, for which the kernel wants CAP_MKNOD in the first of all user
/// namespaces. Elsewhere it says EPERM, and we borrow the host's own by a bind mount.
fn make_device(name: &str, number: u64, host: &File) -> Result<()> {
    let path = Path::new("/dev").join(name);
    let mode = Mode::from_bits_truncate(0o666);
    match mknod(&path, SFlag::S_IFCHR, mode, number) {
        Err(Errno::EPERM) => {}
        made => return made.with_context(|| format!("make /dev/{name}")),
    }
    File::create(&path).with_context(|| format!("make a file to mount /dev/{name} on"))?;
    // By its name the host's /dev is out of reach since chroot, but we hold it open.
    let from = format!("/proc/self/fd/{}/{name}", host.as_raw_fd());
    let flags = MsFlags::MS_BIND;
    mount(Some(&*from), &path, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("mount the host's /dev/{name}"))
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
