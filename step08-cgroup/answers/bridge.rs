//! An answer to the exercise `bridge`: containers that reach each other, and the host one of them.
//!
//! Adds to step 8: a network namespace with a cable to a bridge, a default route, and
//! `--publish`.
//!
//! Read: network_namespaces(7), veth(4), rtnetlink(7), ip-route(8).

#[path = "../src/cgroup.rs"]
mod cgroup;
#[path = "../src/command.rs"]
mod command;
#[path = "../src/hierarchy.rs"]
mod hierarchy;
#[path = "bridge/netlink.rs"]
mod netlink;
#[path = "bridge/network.rs"]
mod network;
#[path = "bridge/publish.rs"]
mod publish;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::iter;
use std::os::unix::fs::chroot;
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
use crate::netlink::Netlink;
use crate::network::Network;
use crate::publish::Publish;

const USAGE: &str = "\
usage: bridge run [--publish HOST:CONTAINER]... [--] COMMAND [ARG...]

  --publish HOST:CONTAINER  a TCP port of the host that leads to one of the container: 8080:80";
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWUTS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWNET);

/// In the environment, this tells `child` that it was `run` that started it.
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
    match word.to_str() {
        Some("run") => {
            let (ports, argv) = parse(args).map_err(|error| anyhow!("{error}\n{USAGE}"))?;
            run(&ports, &argv)
        }
        Some("child") if args.len() > 0 => child(&args.collect::<Vec<_>>()),
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Takes the options from in front of the command. The first word that is no option
/// begins the command; `--` ends the options too.
fn parse(args: impl Iterator<Item = OsString>) -> Result<(Vec<Publish>, Vec<OsString>)> {
    let mut ports = Vec::new();
    let mut words = Parser::from_args(args);
    while let Some(word) = words.next()? {
        match word {
            Long("publish") => ports.push(words.value()?.parse_with(publish::parse)?),
            Value(word) => {
                return Ok((ports, iter::once(word).chain(words.raw_args()?).collect()));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    bail!("expected `run` and a command")
}

/// Starts `child` in namespaces of its own.
fn run(ports: &[Publish], argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // What is opened here, and who is started, stays with the host.
    let network = Network::join()?;
    let published: Result<Vec<_>> = ports.iter().map(publish::publish).collect();
    let published = published?;
    // Our children will be in the new PID namespace.
    unshare(NAMESPACES).context(MAKE_NAMESPACES)?;
    let address = network.lay_cable(process::id(), &Netlink::open()?)?;
    for port in &published {
        port.send(address).context("tell the address")?;
    }
    let cgroup = Cgroup::with_cap(MAX_PROCESSES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .env(CGROUP, &cgroup.path)
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
    command::execute(
        Command::new(&argv[0])
            .args(&argv[1..])
            .env_remove(MARK)
            .env_remove(CGROUP),
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

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}] as {}", process::id()))
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
