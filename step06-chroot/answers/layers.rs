//! An answer to the exercise `layers`: a root filesystem in layers, as images have it.
//!
//! Adds to the exercise `overlay`: `unpack` makes a folder of a layer, which is a tar archive;
//! and with `--layer FOLDER` such folders lie above the root filesystem.
//!
//! Read: `filesystems/overlayfs.rst` in the kernel's documentation, and `layer.md` of the OCI
//! image specification.

#[path = "../src/command.rs"]
mod command;
#[path = "layers/entry.rs"]
mod entry;
#[path = "overlay/mounts.rs"]
#[expect(dead_code, reason = "here the overlay has more layers")]
mod mounts;
#[path = "layers/unpack.rs"]
mod unpack;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown, chroot};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use lexopt::Parser;
use lexopt::prelude::*;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::statvfs::statvfs;
use nix::unistd::{fchdir, sethostname};

use crate::mounts::{enter_top, is_in_the_first_user_namespace, mount_over_root};

const USAGE: &str = "\
usage: layers unpack LAYER.tar FOLDER
       layers run [--layer FOLDER]... [--] COMMAND [ARG...]

  --layer FOLDER  lies above the root filesystem, and above each layer that was named before";
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` and `fill` that it was us who started them.
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
    let mut args = env::args_os().skip(1);
    let word = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    match (word.to_str(), &args[..]) {
        (Some("run"), args) => run(args),
        (Some("child"), args) => child(args),
        (Some("unpack"), [archive, folder]) => unpack(archive.as_ref(), folder.as_ref()),
        (Some("fill"), [folder]) => fill(folder.as_ref()),
        (Some("--help" | "-h"), _) => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command, or `unpack`, an archive and a folder\n{USAGE}"),
    }
}

/// What stands after `run`.
struct Options {
    layers: Vec<PathBuf>,
    command: Vec<OsString>,
}

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(args: &[OsString]) -> Result<Options> {
    read_options(args).map_err(|error| anyhow!("{error}\n{USAGE}"))
}

fn read_options(args: &[OsString]) -> Result<Options> {
    let mut layers = Vec::new();
    let mut words = Parser::from_args(args);
    while let Some(word) = words.next()? {
        match word {
            Long("layer") => layers.push(words.value()?.into()),
            Value(word) => {
                let command = iter::once(word).chain(words.raw_args()?).collect();
                return Ok(Options { layers, command });
            }
            other => return Err(other.unexpected().into()),
        }
    }
    bail!("expected `run` and a command")
}

/// Makes a folder of a layer. It gets its name when it is whole.
fn unpack(archive: &Path, folder: &Path) -> Result<ExitCode> {
    // Without a `/` at its end.
    let folder: PathBuf = folder.components().collect();
    let mut part = folder.clone().into_os_string();
    part.push(".part");
    let name = folder.display();
    if folder.exists() {
        bail!("{name} is there already: delete it, or name another folder");
    }
    let layer = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
    // Root alone may enter: a layer may have setuid programs in it, for every user to start.
    let made = DirBuilder::new().mode(0o700).create(&part);
    made.with_context(|| format!("make {name}.part (if it is left from before, delete it)"))?;
    let mut fill = Command::new("/proc/self/exe");
    fill.arg("fill").arg(&part).env(MARK, "yes").stdin(layer);
    match command::execute(&mut fill) {
        Ok(ExitCode::SUCCESS) => fs::rename(&part, &folder)
            .with_context(|| format!("rename {name}.part to {name}"))
            .map(|()| ExitCode::SUCCESS),
        failed => {
            fs::remove_dir_all(&part).with_context(|| format!("delete {name}.part"))?;
            failed
        }
    }
}

/// Unpacks what is in standard input, a layer, in the folder.
fn fill(folder: &Path) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `unpack` can start `fill`\n{USAGE}");
    }
    // Nothing here has to be tidied up by us, and so a signal may end us at any moment.
    SigSet::all().thread_unblock().context("unblock signals")?;
    // From here on no name leads out of the folder: `..` ends at its top, and so does a link
    // to `/`. Whatever the layer says, the kernel lets us write nowhere else.
    chroot(folder).with_context(|| format!("chroot to {} (takes root)", folder.display()))?;
    env::set_current_dir("/").context("change directory to the new /")?;
    unpack::unpack(io::stdin().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Starts `child` in namespaces of its own.
fn run(args: &[OsString]) -> Result<ExitCode> {
    announce("Running", &parse(args)?.command)?;
    // Our children will be in the new PID namespace. We stay where we are.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
        .context(MAKE_NAMESPACES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(args)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}

/// Sets the container up from within, and executes the command.
fn child(args: &[OsString]) -> Result<ExitCode> {
    let Options { layers, command } = parse(args)?;
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start `child`: by hand, it would change the host\n{USAGE}");
    }
    // When `run` ends, however it ends, the kernel kills us; and when PID 1 has ended,
    // it kills all that is left in the PID namespace. So nothing outlives `run`, unless
    // that has ended before this line: real runtimes let `child` wait on a pipe first.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    announce("Running in child", &command)?;
    set_hostname()?;
    make_mounts_private()?;
    enter_root(&open_layers(&layers)?)?;
    command::execute(
        Command::new(&command[0])
            .args(&command[1..])
            .env_remove(MARK),
    )
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

/// By their names they are out of reach as soon as there is another root.
fn open_layers(layers: &[PathBuf]) -> Result<Vec<File>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let open = |path: &PathBuf| {
        let opened = File::options()
            .read(true)
            .custom_flags(flags.bits())
            .open(path);
        opened.with_context(|| format!("open the layer {}", path.display()))
    };
    layers.iter().map(open).collect()
}

/// Makes an overlay of the root filesystem and the layers our `/`.
fn enter_root(layers: &[File]) -> Result<()> {
    let is_first = is_in_the_first_user_namespace()?;
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    chroot(&root).with_context(|| {
        let root = root.to_string_lossy();
        format!("chroot to {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    mount_overlay(layers, is_first)?;
    enter_top()?;
    chroot(".").context("chroot to the overlay")
}

/// Covers the image, which is our root, with an overlay of itself and of the layers: all of
/// these are read, and what is written goes to a folder above them.
///
/// Here that folder is in memory. Real runtimes keep it on disk until the container is removed.
fn mount_overlay(layers: &[File], is_first: bool) -> Result<()> {
    let image = fs::metadata("/").context("look at the image")?;
    let mut kept = forbidden("/")?;
    mount_over_root("tmpfs", MsFlags::empty(), "mode=700")?;
    // The lowest stands last.
    let mut lower = String::from("/");
    for (number, layer) in layers.iter().enumerate() {
        kept |= mount_layer(layer, number)?;
        lower = format!("{number}:{lower}");
    }
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
    let folders = format!("lowerdir={lower},upperdir=upper,workdir=work");
    // What overlayfs notes about a file, it writes to attributes that only the first root
    // may write; or, from Linux 5.11 on, to the owner's.
    let notes = if is_first { "" } else { ",userxattr" };
    mount_over_root("overlay", kept, &format!("{folders}{notes}"))
}

/// Gives a layer, which may have any name and lie anywhere, a number for a name, in the tmpfs
/// that lies on our root; and tells what its mount forbids.
fn mount_layer(layer: &File, number: usize) -> Result<MsFlags> {
    let place = format!("/../{number}");
    fs::create_dir(&place).context("make a folder for a layer")?;
    fchdir(layer).context("change directory to a layer")?;
    let none = None::<&str>;
    mount(Some("."), place.as_str(), none, MsFlags::MS_BIND, none).context("mount a layer")?;
    forbidden(".")
}

/// What a folder's mount forbids, the overlay has to forbid too.
fn forbidden(folder: &str) -> Result<MsFlags> {
    let flags = statvfs(folder).context("look at a mount")?.flags();
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(MsFlags::from_bits_truncate(flags.bits()) & kept)
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
