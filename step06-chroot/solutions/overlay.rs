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
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::chroot;
use std::path::Path;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::sethostname;

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");

/// In the environment, this tells `child` that it was `run` that started it.
const MARK: &str = "STARTED_BY_RUN";

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        if error.downcast_ref() == Some(&Errno::EPERM) {
            writeln!(io::stderr(), "{}", ways_to_root()).ok();
        }
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    command::block_signals()?;
    let mut args = env::args_os().skip(1);
    let word = args.next().unwrap_or_default();
    let argv: Vec<OsString> = args.collect();
    match word.to_str() {
        Some("run") if !argv.is_empty() => run(&argv),
        Some("child") if !argv.is_empty() => child(&argv),
        Some("--help" | "-h") => help(),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Starts `child` in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // Our children will be in the new PID namespace. We stay where we are.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
        .context("unshare the UTS, PID and mount namespaces")?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child")?;
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
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    let root = Path::new(&root);
    mount_overlay(root)?;
    chroot(root).context("chroot to the overlay")?;
    // chroot leaves the working directory where it was: outside, with `..` as a way out.
    env::set_current_dir("/").context("change directory to the new /")
}

/// Covers the image with an overlay of itself: the image is read, and what is written goes
/// to a folder above it.
///
/// Here that folder is in memory. Real runtimes keep it on disk until the container is
/// removed, and have a folder below for each layer of the image.
fn mount_overlay(root: &Path) -> Result<()> {
    let image = File::open(root).with_context(|| {
        let root = root.display();
        format!("open {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    // The one folder that is there for sure, on the host too. From now on its path leads to
    // the tmpfs, and the descriptor to the image beneath.
    mount_over(root, "tmpfs", "mode=700")?;
    let memory = File::open(root).context("open the tmpfs")?;
    let (image_path, memory) = (path_of(&image), path_of(&memory));
    let (upper, work) = (format!("{memory}/upper"), format!("{memory}/work"));
    for folder in [&upper, &work] {
        fs::create_dir(folder).with_context(|| format!("make the folder {folder}"))?;
    }
    // The topmost folder of the overlay is the upper one: with these rights.
    let rights = image.metadata().context("look at the image")?.permissions();
    fs::set_permissions(&upper, rights).context("set the rights of the upper folder")?;
    let options = format!("lowerdir={image_path},upperdir={upper},workdir={work}");
    mount_over(root, "overlay", &options)
}

/// Mounts a new file system, which needs no device, on the folder `path`.
fn mount_over(path: &Path, kind: &str, options: &str) -> Result<()> {
    mount(
        Some(kind),
        path,
        Some(kind),
        MsFlags::empty(),
        Some(options),
    )
    .with_context(|| format!("mount {kind} on {}", path.display()))
}

/// A path without a comma or a colon, which would end it in the options of a mount.
fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}] as {}", process::id()))
}

fn help() -> Result<ExitCode> {
    print(USAGE)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}

/// What to do about EPERM: a new namespace takes CAP_SYS_ADMIN (capabilities(7)).
fn ways_to_root() -> String {
    let answer = env!("CARGO_BIN_NAME");
    format!(
        "This takes root (CAP_SYS_ADMIN). After `cargo build`, be root yourself:
    sudo target/debug/{answer} run COMMAND
or let cargo be root for this one program:
    CARGO_TARGET_<TRIPLE>_RUNNER='sudo -E' cargo run --bin {answer} -- run COMMAND
or be root in a user namespace only:
    CARGO_TARGET_<TRIPLE>_RUNNER='unshare -r' cargo run --bin {answer} -- run COMMAND
<TRIPLE> is the host that `rustc -vV` names, in capitals, with _ for each -."
    )
}
