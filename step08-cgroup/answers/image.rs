//! An answer to the exercise `image`: `--image`, an image as registries and `docker save` have it.
//!
//! Adds to step 8: the root filesystem is unpacked from an image, in memory, and the image says
//! what runs in it, where, as whom, and in which environment.
//!
//! Read: `image-layout.md`, `manifest.md`, `config.md` and `layer.md` of the OCI image
//! specification, and tmpfs(5).

#[path = "../src/cgroup.rs"]
mod cgroup;
#[path = "../src/command.rs"]
mod command;
#[path = "image/config.rs"]
mod config;
#[path = "image/entry.rs"]
mod entry;
#[path = "../src/hierarchy.rs"]
mod hierarchy;
#[path = "image/layout.rs"]
mod layout;
#[path = "image/unpack.rs"]
mod unpack;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{chroot, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use lexopt::Parser;
use lexopt::prelude::*;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::unistd::sethostname;

use crate::cgroup::Cgroup;
use crate::config::Config;
use crate::layout::Image;

const USAGE: &str = "\
usage: image run [--image PATH] [--] [COMMAND [ARG...]]

  --image PATH  an OCI image layout, or what `docker save` has written, as a folder or as the
                archive. It may say what COMMAND is.";
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In the environment, this tells `child` and `fill` that it was us who started them.
const MARK: &str = "STARTED_BY_RUN";

/// In the environment, this tells `child` which cgroup to join.
const CGROUP: &str = "CGROUP_TO_JOIN";

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
    let mut args = env::args_os().skip(1);
    let word = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    match (word.to_str(), &args[..]) {
        (Some("run"), args) => run(args),
        (Some("child"), args) => child(args),
        (Some("fill"), [image]) => fill(image.as_ref()),
        (Some("--help" | "-h"), _) => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run`, and an image or a command\n{USAGE}"),
    }
}

/// What stands after `run`.
struct Options {
    image: Option<PathBuf>,
    command: Vec<OsString>,
}

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(args: &[OsString]) -> Result<Options> {
    read_options(args).map_err(|error| anyhow!("{error}\n{USAGE}"))
}

fn read_options(args: &[OsString]) -> Result<Options> {
    let (mut image, mut command) = (None, Vec::new());
    let mut words = Parser::from_args(args);
    while let Some(word) = words.next()? {
        match word {
            Long("image") => image = Some(words.value()?.into()),
            Value(word) => {
                command.push(word);
                command.extend(words.raw_args()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if image.is_none() && command.is_empty() {
        bail!("expected `run`, and an image or a command");
    }
    Ok(Options { image, command })
}

/// Starts `child` in namespaces of its own.
fn run(args: &[OsString]) -> Result<ExitCode> {
    announce("Running", args, &parse(args)?)?;
    // Our children will be in the new PID namespace. We stay where we are.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
        .context(MAKE_NAMESPACES)?;
    let cgroup = Cgroup::with_cap(MAX_PROCESSES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(args)
        .env(MARK, "yes")
        .env(CGROUP, &cgroup.path)
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}

/// Sets the container up from within, and executes the command.
fn child(args: &[OsString]) -> Result<ExitCode> {
    let options = parse(args)?;
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start `child`: by hand, it would change the host\n{USAGE}");
    }
    // When `run` ends, however it ends, the kernel kills us; and when PID 1 has ended,
    // it kills all that is left in the PID namespace. So nothing outlives `run`, unless
    // that has ended before this line: real runtimes let `child` wait on a pipe first.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    announce("Running in child", args, &options)?;
    limit_processes()?;
    set_hostname()?;
    make_mounts_private()?;
    let mut command = match &options.image {
        Some(path) => {
            let config = Image::open(path)?.config;
            let code = start_fill(path)?;
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
            enter_image()?;
            config_command(&config, &options.command)?
        }
        None => {
            enter_root()?;
            mount_proc()?;
            let mut command = Command::new(&options.command[0]);
            command.args(&options.command[1..]);
            command
        }
    };
    command::execute(command.env_remove(MARK).env_remove(CGROUP))
}

/// Has the image unpacked, by a process of its own, which a signal may end.
fn start_fill(image: &Path) -> Result<ExitCode> {
    let mut fill = Command::new("/proc/self/exe");
    command::execute(fill.arg("fill").arg(image))
}

/// Covers our root with a root filesystem in memory, and unpacks the image there.
fn fill(path: &Path) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `child` can start `fill`: by hand, it would change the host\n{USAGE}");
    }
    // Nothing here has to be tidied up by us, and so a signal may end us at any moment.
    SigSet::all().thread_unblock().context("unblock signals")?;
    let image = Image::open(path)?;
    // All is open now, and from here on no name leads out of the new root: `..` ends at its
    // top, and so does a link to `/`. Whatever a layer says, we can write nowhere else.
    mount_new("tmpfs", "/", MsFlags::empty(), "mode=755")?;
    enter_top()?;
    umask(Mode::from_bits_truncate(0o022));
    image.layers.iter().try_for_each(unpack::unpack)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes what has been mounted over our root our root.
fn enter_top() -> Result<()> {
    // `/` still leads to what lies beneath. In a root directory `..` stays there, but goes up to
    // what lies on it.
    env::set_current_dir("/..").context("change directory to what lies on /")?;
    chroot(".").context("chroot to it")
}

/// Makes the image our `/`, with what an image has not: a /proc, and device files.
fn enter_image() -> Result<()> {
    enter_top()?;
    for folder in ["/proc", "/dev"] {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => result.with_context(|| format!("make {folder}"))?,
        }
    }
    mount_proc()?;
    if Path::new("/dev").is_symlink() {
        bail!("mount a tmpfs on /dev: in the image that is a link");
    }
    mount_new("tmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755")?;
    let mode = Mode::from_bits_truncate(0o666);
    let umask_before = umask(Mode::empty());
    // These numbers are Linux's own, in `admin-guide/devices.txt`.
    for (name, major, minor) in DEVICES {
        let path = Path::new("/dev").join(name);
        mknod(&path, SFlag::S_IFCHR, mode, makedev(major, minor))
            .with_context(|| format!("make {}", path.display()))?;
    }
    umask(umask_before);
    for (name, target) in LINKS {
        symlink(target, Path::new("/dev").join(name)).context("make a link in /dev")?;
    }
    Ok(())
}

const DEVICES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

fn mount_new(kind: &str, place: &str, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(kind), place, Some(kind), flags, Some(options))
        .with_context(|| format!("mount {kind} on {place}"))
}

/// The command, as the image wants it: its words, unless there are others, its environment, its
/// user, and its working directory.
fn config_command(config: &Config, words: &[OsString]) -> Result<Command> {
    let argv = config.argv(words)?;
    let user = config.user()?;
    let folder = &config.working_dir;
    fs::create_dir_all(folder)
        .and_then(|()| env::set_current_dir(folder))
        .with_context(|| format!("change directory to {}", folder.display()))?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear();
    command.envs(config.variables(&user.home));
    // With a user, std also drops the groups that we have.
    command.uid(user.uid).gid(user.gid);
    Ok(command)
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

fn announce(what: &str, args: &[OsString], options: &Options) -> Result<()> {
    // With an image the command may be none of ours.
    let words = options
        .image
        .as_ref()
        .map_or(&options.command[..], |_| args);
    let words = words.join(OsStr::new(" "));
    let words = words.to_string_lossy();
    print(&format!("{what} [{words}] as {}", process::id()))
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
