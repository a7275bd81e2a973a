//! An answer to the exercise `volume`: folders of the host in the container.
//!
//! Adds to step 7: a bind mount for each `--volume`.
//!
//! Read: mount(2) about MS_BIND and MS_REMOUNT, path_resolution(7), proc_pid_fd(5).

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chroot;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::sethostname;

const USAGE: &str = "usage: volume run [--volume HOST:CONTAINER[:ro]]... [--] COMMAND [ARG...]";
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// What statvfs(3) and Linux call the flag of a mount whose symbolic links are not followed.
const ST_NOSYMFOLLOW: libc::c_ulong = 0x2000;

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

/// What `--volume` asks for.
struct Volume {
    host: PathBuf,
    container: PathBuf,
    is_read_only: bool,
}

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(mut args: &[OsString]) -> Result<(Vec<Volume>, &[OsString])> {
    let mut volumes = Vec::new();
    while args.first().is_some_and(|word| word == "--volume") {
        let volume = args.get(1).and_then(|text| split(text));
        volumes.push(volume.with_context(|| format!("this is no volume\n{USAGE}"))?);
        args = &args[2..];
    }
    match args.first() {
        Some(word) if word == "--" => args = &args[1..],
        Some(word) if word.as_bytes().starts_with(b"-") => {
            bail!("there is no option {}\n{USAGE}", word.to_string_lossy())
        }
        _ => {}
    }
    if args.is_empty() {
        bail!("expected `run` and a command\n{USAGE}");
    }
    Ok((volumes, args))
}

/// Splits HOST:CONTAINER[:ro].
fn split(text: &OsStr) -> Option<Volume> {
    let parts: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b':').collect();
    let (host, container, is_read_only) = match parts[..] {
        [host, container] => (host, container, false),
        [host, container, b"ro"] => (host, container, true),
        _ => return None,
    };
    let is_volume = !host.is_empty() && container.starts_with(b"/");
    is_volume.then(|| Volume {
        host: OsStr::from_bytes(host).into(),
        container: OsStr::from_bytes(container).into(),
        is_read_only,
    })
}

/// Starts `child` in namespaces of its own.
fn run(args: &[OsString]) -> Result<ExitCode> {
    let (_, argv) = parse(args)?;
    announce("Running", argv)?;
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
    if env::var_os(MARK).is_none() {
        bail!("only `run` can start `child`: by hand, it would change the host\n{USAGE}");
    }
    let (volumes, argv) = parse(args)?;
    // When `run` ends, however it ends, the kernel kills us; and when PID 1 has ended,
    // it kills all that is left in the PID namespace. So nothing outlives `run`, unless
    // that has ended before this line: real runtimes let `child` wait on a pipe first.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    announce("Running in child", argv)?;
    set_hostname()?;
    make_mounts_private()?;
    let folders = open_folders(&volumes)?;
    enter_root()?;
    mount_proc()?;
    mount_volumes(&volumes, folders)?;
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

/// Opens the folders of the host, while its paths still lead there.
fn open_folders(volumes: &[Volume]) -> Result<Vec<OwnedFd>> {
    let hosts = volumes.iter().map(|volume| &volume.host);
    let open = |host: &PathBuf| {
        open(host, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .with_context(|| format!("open {} on the host", host.display()))
    };
    hosts.map(open).collect()
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

/// Mounts all of them, and closes the folders: as long as one is open, /proc/1/fd has a way
/// out of the root filesystem.
fn mount_volumes(volumes: &[Volume], folders: Vec<OwnedFd>) -> Result<()> {
    let mut places: Vec<PathBuf> = Vec::new();
    for (volume, folder) in volumes.iter().zip(folders) {
        let place = place_of(volume)?;
        if places.iter().any(|earlier| earlier.starts_with(&place)) {
            bail!(
                "the volume on {} would cover one that is mounted before",
                place.display()
            );
        }
        mount_volume(volume, &folder, &place)?;
        places.push(place);
    }
    Ok(())
}

/// Where a volume goes, without links: that path leads there also once it is mounted.
fn place_of(volume: &Volume) -> Result<PathBuf> {
    let place = fs::canonicalize(&volume.container)
        .with_context(|| format!("find {} in the container", volume.container.display()))?;
    // What is mounted on our root lies above us, unseen.
    if place == Path::new("/") || place.starts_with("/proc") {
        let place = place.display();
        bail!("mount a volume on {place}: it goes below /, and not into /proc");
    }
    Ok(place)
}

/// Mounts a folder of the host in the container.
///
/// This comes in the new root: a symbolic link in the root filesystem then leads where it leads
/// for the command, and never to a file of the host. The way to the folder outside is its
/// descriptor. Newer runtimes ask open_tree(2) for one that move_mount(2) can mount.
fn mount_volume(volume: &Volume, folder: &OwnedFd, place: &Path) -> Result<()> {
    let what = || format!("mount {} on {}", volume.host.display(), place.display());
    let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
    // The place has to be there. Docker makes one, in a layer above the image; here it
    // would be made in the image, and stay there.
    //
    // With MS_REC, what is mounted below the folder comes along. `ro` would then hold for the
    // topmost mount and for none below it, so there all of that stays outside.
    let none = None::<&str>;
    let flags = match volume.is_read_only {
        true => MsFlags::MS_BIND,
        false => MsFlags::MS_BIND | MsFlags::MS_REC,
    };
    let mounted = mount(Some(folder.as_str()), place, none, flags, none);
    if volume.is_read_only && mounted == Err(Errno::EINVAL) {
        // What a mount hides is not for a user namespace to see.
        bail!(
            "{}: without root, `ro` takes a folder with no mount below it",
            what()
        );
    }
    mounted.with_context(what)?;
    if volume.is_read_only {
        make_read_only(place).with_context(what)?;
    }
    Ok(())
}

/// A new bind mount has the flags of the mount that it came from: mount(2) ignores all that
/// are passed with MS_BIND. A second call changes them, all at once. So those that are to
/// stay have to be named; and in a user namespace the kernel insists that they do. Those
/// about times of access stay if none of them is named.
fn make_read_only(place: &Path) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let flags = flags | forbidden(place).context("look at its flags")?;
    let none = None::<&str>;
    mount(none, place, none, flags, none).context("make it read-only")
}

/// What a mount forbids, as flags for mount(2).
fn forbidden(place: &Path) -> Result<MsFlags> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    #[expect(unsafe_code, reason = "nix does not know ST_NOSYMFOLLOW")]
    // SAFETY: a statvfs is made of numbers, and all of them can be 0.
    let mut found: libc::statvfs = unsafe { mem::zeroed() };
    #[expect(unsafe_code, reason = "nix does not know ST_NOSYMFOLLOW")]
    // SAFETY: statvfs(3) reads a path that ends with a 0, and writes to one such structure.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut found) };
    Errno::result(result)?;
    let same = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let mut flags = found.f_flag & same;
    if found.f_flag & ST_NOSYMFOLLOW != 0 {
        flags |= libc::MS_NOSYMFOLLOW;
    }
    Ok(MsFlags::from_bits_retain(flags))
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
