//! An answer to the exercise `net-ipc`: a network and System V IPC of its own, too.
//!
//! Adds to step 3: a network namespace, in which `lo` is brought up, and an IPC namespace.
//!
//! Read: network_namespaces(7), ipc_namespaces(7), netdevice(7).

#[path = "../src/command.rs"]
mod command;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

const USAGE: &str = concat!("usage: ", env!("CARGO_BIN_NAME"), " run COMMAND [ARG...]");
const MAKE_NAMESPACES: &str =
    "make namespaces (takes root, and room in /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

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
        Some("--help" | "-h") => print(USAGE).map(|()| ExitCode::SUCCESS),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// Executes the command in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // The UTS namespace begins as a copy of the host's, the other two begin new.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC)
        .context(MAKE_NAMESPACES)?;
    bring_lo_up()?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]))
}

/// Brings `lo` up, by which the command reaches itself. A new network namespace has this
/// one interface, and it is down.
fn bring_lo_up() -> Result<()> {
    // Any socket will do: it belongs, for good, to the network namespace it was made in.
    let socket = UdpSocket::bind("0.0.0.0:0").context("make a socket")?;
    #[expect(unsafe_code, reason = "Rust has no safe way to fill a union with 0")]
    // SAFETY: an ifreq is made of numbers and addresses, and all of them can be 0.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    let number = libc::SIOCSIFFLAGS as libc::Ioctl;
    #[expect(unsafe_code, reason = "nix has no call for an interface's flags")]
    // SAFETY: SIOCSIFFLAGS reads one ifreq, and the name in this one ends with a 0.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), number, &raw const request) };
    Errno::result(result).context("bring up lo")?;
    Ok(())
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}]"))
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
