//! Makes the process that becomes the container, and the command that it executes.
//!
//! Read: clone(2), fifo(7), environ(7).

use std::env;
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneCb, CloneFlags, clone};
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, close};

use crate::init;
use crate::options::Options;

/// What a refusal is about: EPERM, or ENOSPC at a limit.
pub const MAKE_NAMESPACES: &str = "make namespaces (takes root or --rootless, and room in \
    /proc/sys/user/max_*; ask `cargo run --bin doctor`)";

/// In bytes: what Rust, too, gives to a new thread.
const STACK_SIZE: usize = 2 * 1024 * 1024;

/// Where to look for programs, as Debian and Docker have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes a process in new namespaces, and returns its PID on the host. Unlike after
/// unshare(2), this process itself is in none of them.
///
/// The new one has a copy of our memory, and so of the options. It needs no exec, and no
/// words in its environment that would have to be kept from the command.
pub fn clone_child(namespaces: CloneFlags, start: CloneCb) -> Result<Pid> {
    let mut stack = Vec::new();
    // `vec!` would abort where there is too little memory, as after `ulimit -v`.
    let reserved = stack.try_reserve_exact(STACK_SIZE);
    reserved.context("allocate a stack (is there a limit? see `ulimit -v`)")?;
    stack.resize(STACK_SIZE, 0);
    #[expect(unsafe_code, reason = "nix has no safe clone")]
    // SAFETY: without CLONE_VM the new process has a copy of our memory, in which `start`
    // and the stack live on, whatever we do with ours. We have one thread, so that no other
    // holds a lock that would stay closed in the copy. And `start` needs little stack.
    let child = unsafe { clone(start, &mut stack, namespaces, Some(libc::SIGCHLD)) };
    // The low byte of the flags is the signal that tells the parent of the child's end.
    // Without SIGCHLD there, waitpid(2) does not find it: ECHILD.
    child.context(MAKE_NAMESPACES)
}

/// Writes the container's PID on the host to `file`. If that is a FIFO, this waits until
/// somebody reads it.
pub fn write_pid(pid: Pid, file: &Path) -> Result<()> {
    // There is no command yet that would have to be told of a signal. So let one end us:
    // then the gate never opens, and `child` ends too.
    SigSet::all().thread_unblock().context("unblock signals")?;
    fs::write(file, format!("{pid}\n"))
        .with_context(|| format!("write the PID to {}", file.display()))?;
    init::block_signals()
}

/// Closes what we have inherited beside standard input, output and error. A folder of the
/// host would be a way out: for the command, and for all who look into /proc/1/fd.
///
/// Real runtimes call close_range(2), which is there from Linux 5.9 on.
pub fn close_inherited() -> Result<()> {
    let what = "list our descriptors in /proc/self/fd";
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").context(what)? {
        let name = entry.context(what)?.file_name();
        numbers.push(name.to_string_lossy().parse::<RawFd>().context(what)?);
    }
    for number in numbers {
        if number > 2 {
            match close(number) {
                // This was the list itself.
                Err(Errno::EBADF) => {}
                result => result.with_context(|| format!("close descriptor {number}"))?,
            }
        } else if Path::new(&format!("/proc/self/fd/{number}")).is_dir() {
            bail!("descriptor {number} is a folder of the host, and so a way out");
        }
    }
    Ok(())
}

/// The command, with an environment of its own.
///
/// For another user, `Command` calls setgid(2), setgroups(2) with no group, and last
/// setuid(2), after which it could not do the others. We ourselves stay root: a new user
/// would also lose what `set_pdeathsig` has asked for.
pub fn command(options: &Options) -> Command {
    let mut command = Command::new(&options.command[0]);
    command
        .args(&options.command[1..])
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("TERM", env::var_os("TERM").unwrap_or_else(|| "dumb".into()))
        .envs(options.variables.iter().cloned());
    if let Some((uid, gid)) = options.user {
        command.uid(uid).gid(gid);
    }
    command
}
