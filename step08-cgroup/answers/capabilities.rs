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

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::unistd::sethostname;

use crate::cgroup::Cgroup;

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
    // `child` is root, and passes signals on to the command, which may be somebody else.
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
            let (user, argv) = parse(args)?;
            run(user, &argv)
        }
        Some("child") if args.len() > 0 => child(&args.collect::<Vec<_>>()),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// A user and a group, by their numbers.
type User = (u32, u32);

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(mut args: impl Iterator<Item = OsString>) -> Result<(Option<User>, Vec<OsString>)> {
    let mut user = None;
    let mut first = args.next();
    while first.as_deref() == Some(OsStr::new("--user")) {
        user = Some(split(&args.next().unwrap_or_default())?);
        first = args.next();
    }
    match first {
        Some(word) if word == "--" => first = args.next(),
        Some(word) if word.as_bytes().starts_with(b"-") => {
            bail!("there is no option {}\n{USAGE}", word.to_string_lossy())
        }
        _ => {}
    }
    let argv: Vec<OsString> = first.into_iter().chain(args).collect();
    if argv.is_empty() {
        bail!("expected `run` and a command\n{USAGE}");
    }
    Ok((user, argv))
}

/// Splits UID:GID. Without a GID the group has the user's number, as on most systems.
fn split(user: &OsStr) -> Result<User> {
    let user = user.to_str().unwrap_or_default();
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    match (uid.parse(), gid.parse()) {
        // For setuid(2) that is -1, and means nobody.
        (Ok(u32::MAX), _) | (_, Ok(u32::MAX)) => bail!("there is no user or group {}", u32::MAX),
        (Ok(uid), Ok(gid)) => Ok((uid, gid)),
        _ => bail!("expected UID or UID:GID, in numbers, after --user\n{USAGE}"),
    }
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
    drop_capabilities()?;
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

/// Takes all capabilities but those in `KEPT` away, from us and from all that we start.
fn drop_capabilities() -> Result<()> {
    let kept = KEPT.iter().map(|(_, number)| 1 << number).sum();
    // This takes CAP_SETPCAP, and so comes first.
    limit_bounding_set(kept)?;
    limit_own_sets(kept)?;
    // And a file that is setuid, or has capabilities, gives none to who executes it.
    set_no_new_privs().context("set no_new_privs")
}

/// Takes capabilities out of the bounding set: the most that execve(2) ever gives. When root
/// executes a program, it gives all of that, whatever root had left before.
fn limit_bounding_set(kept: u64) -> Result<()> {
    for number in (0..u64::BITS).filter(|number| kept & (1 << number) == 0) {
        let number = libc::c_ulong::from(number);
        #[expect(unsafe_code, reason = "nix has no function for it")]
        // SAFETY: with this option prctl(2) takes a number, and touches no memory.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) };
        match Errno::result(result) {
            // The kernel knows no capability of this number, and none of a higher one.
            Err(Errno::EINVAL) => break,
            result => result.with_context(|| format!("drop capability {number}"))?,
        };
    }
    Ok(())
}

/// The first argument of capget(2) and capset(2): a pid of 0 is the caller.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// Their second one: 32 of the bits of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`, which has room for 64 capabilities.
const VERSION_3: u32 = 0x2008_0522;

/// Takes capabilities away from this process: those in force, those it may put in force
/// again, and those that would outlive execve(2) beside the bounding set.
fn limit_own_sets(kept: u64) -> Result<()> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut sets = [Sets::default(); 2];
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: in version 3, capget(2) writes to two such structures. Both have the layout
    // that the kernel gives them, and outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &header, &mut sets) };
    Errno::result(result).context("get the capabilities")?;
    for (set, kept) in sets.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        set.effective &= kept;
        set.permitted &= kept;
        set.inheritable = 0;
    }
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: capset(2) reads what capget(2) has written.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, &sets) };
    Errno::result(result).context("set the capabilities")?;
    Ok(())
}

/// Lets the command be another user, who has no capabilities at all.
///
/// Between fork and exec, `Command` calls setgid(2), setgroups(2) with no group, and last
/// setuid(2), after which it could not do the others. We ourselves stay root: a new user
/// would also lose what `set_pdeathsig` has asked for.
fn become_user(command: &mut Command) -> Result<()> {
    let user = env::var_os(USER).unwrap_or_default();
    if !user.is_empty() {
        let (uid, gid) = split(&user)?;
        expect_user((uid, gid))?;
        command.uid(uid).gid(gid);
    }
    Ok(())
}

/// Fails unless the command can become this user. setuid(2) would tell that, too: in the
/// command's process, where it would seem to be the command's fault.
fn expect_user((uid, gid): User) -> Result<()> {
    let read = |name| {
        let path = format!("/proc/self/{name}");
        fs::read_to_string(&path).with_context(|| format!("read {path}"))
    };
    // In each line the first ID inside, the first one outside, and how many there are.
    let has =
        |map: String, id: u32| {
            map.lines().any(|line| {
            let numbers = line.split_whitespace().map(|word| word.parse().unwrap_or(0));
            let numbers: Vec<u64> = numbers.collect();
            matches!(numbers[..], [first, _, count] if (first..first + count).contains(&id.into()))
        })
        };
    let is_known = has(read("uid_map")?, uid) && has(read("gid_map")?, gid);
    if !is_known || read("setgroups")? == "deny\n" {
        bail!("be user {uid} and group {gid}: this user namespace has no other than its own");
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
