//! Makes the process that becomes the container, and the command that it executes.
//!
//! Read: clone(2), fifo(7), environ(7).

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::libc;
use nix::sched::{CloneCb, CloneFlags, clone};
use nix::sys::signal::SigSet;
use nix::unistd::Pid;

use crate::options::Options;
use crate::signals;

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
    signals::block_signals()
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
