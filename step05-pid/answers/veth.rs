//! An answer to the exercise `veth`: a cable from the host to the container.
//!
//! Adds to step 5: a network namespace, a pair of interfaces, and an address for each.
//!
//! Read: network_namespaces(7), veth(4), rtnetlink(7).

#[path = "../src/command.rs"]
mod command;
#[path = "veth/netlink.rs"]
mod netlink;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::sethostname;

use crate::netlink::Netlink;

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

const MAKE_PAIR: &str =
    "make a pair of interfaces (takes root, and a kernel that has them: `modprobe veth`)";

/// The addresses of host and containers begin so. They are part of a net that is set aside for
/// tests of networks (RFC 2544).
const NET: [u8; 3] = [198, 18, 0];

/// How many pairs have room in there: each takes 4 addresses, of which the first and the last
/// belong to no interface.
const PAIRS: u8 = 64;

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
    // Where a socket was made, there it stays: this one is for the host's side of the cable.
    let host = Netlink::open()?;
    // Our children will be in the new PID namespace. The others are ours, too.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET)
        .context(MAKE_NAMESPACES)?;
    lay_cable(&host, &Netlink::open()?)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}

/// Makes a pair of interfaces: what goes into one comes out of the other.
///
/// Nobody has to remove it. An interface ends with its network namespace, which ends with the
/// last process in it, and takes the other end along. That is a moment later: the kernel waits
/// until nobody can be sending by it any more.
fn lay_cable(host: &Netlink, container: &Netlink) -> Result<()> {
    let pair = make_pair(host)?;
    for (side, name, end) in [(host, &*name_of(pair), 1), (container, "eth0", 2)] {
        let number = side.number_of(name)?;
        side.add_address(number, address_of(pair, end), 30)?;
        side.bring_up(number)?;
    }
    container.bring_up(container.number_of("lo")?)
}

/// Makes a pair that has a name and addresses to itself, and tells which.
///
/// The name is the lock: whether it is free is asked, and it is taken, in one system call.
fn make_pair(host: &Netlink) -> Result<u8> {
    for pair in 0..PAIRS {
        if !host.is_free(address_of(pair, 1))? {
            continue;
        }
        match host.add_pair(&name_of(pair), "eth0", process::id()) {
            Err(Errno::EEXIST) => continue,
            made => return made.map(|()| pair).context(MAKE_PAIR),
        }
    }
    bail!(
        "find a name and addresses: from box0 to box{} none are free",
        PAIRS - 1
    )
}

/// What the host's end of a pair is called.
fn name_of(pair: u8) -> String {
    format!("box{pair}")
}

/// The address of the host's end of a pair, which is 1, or the container's, which is 2.
fn address_of(pair: u8, end: u8) -> [u8; 4] {
    let [a, b, c] = NET;
    [a, b, c, 4 * pair + end]
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
    command::execute(Command::new(&argv[0]).args(&argv[1..]).env_remove(MARK))
}

/// The new UTS namespace began as a copy of the host's.
fn set_hostname() -> Result<()> {
    sethostname("container").context("set the hostname")
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
