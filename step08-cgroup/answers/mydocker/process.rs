//! Makes the process that becomes the container, and the command that it executes.
//!
//! Read: clone(2), fifo(7), environ(7).

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::libc;
use nix::sched::{CloneCb, CloneFlags, clone};
use nix::sys::signal::SigSet;
use nix::unistd::Pid;

use crate::config::Config;
use crate::options::Options;
use crate::signals;
use crate::user::User;

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

/// What is executed, where, as whom, and with which variables: what the command line says of it,
/// and else the image.
pub struct Start {
    argv: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    folder: PathBuf,
    /// Without one it is root, who we are.
    pub user: Option<User>,
}

impl Start {
    pub fn new(options: &Options) -> Self {
        Self {
            argv: options.command.clone(),
            variables: options.variables.clone(),
            folder: options.workdir.clone().unwrap_or_else(|| "/".into()),
            user: options.user,
        }
    }

    /// With the image as our root, where its users have names.
    pub fn in_image(options: &Options, config: &Config) -> Result<Self> {
        let mut home = "/root".to_owned();
        let mut user = options.user;
        if user.is_none() {
            let own = config.user()?;
            home = own.home;
            user = Some((own.uid, own.gid)).filter(|user| *user != (0, 0));
        }
        if options.workdir.is_none() {
            let folder = &config.working_dir;
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let mut variables = config.variables(&home);
        variables.extend(options.variables.iter().cloned());
        let folder = options.workdir.as_ref().unwrap_or(&config.working_dir);
        Ok(Self {
            argv: config.argv(&options.command)?,
            variables,
            folder: folder.clone(),
            user,
        })
    }

    /// Goes where the command starts.
    pub fn enter_folder(&self) -> Result<()> {
        env::set_current_dir(&self.folder)
            .with_context(|| format!("change directory to {}", self.folder.display()))
    }
}

/// The command, with an environment of its own.
///
/// For another user, `Command` calls setgid(2), setgroups(2) with no group, and last
/// setuid(2), after which it could not do the others. We ourselves stay root: a new user
/// would also lose what `set_pdeathsig` has asked for.
///
/// With a log, that is where its output goes.
pub fn command(start: &Start, log: Option<&File>) -> Result<Command> {
    let mut command = Command::new(&start.argv[0]);
    command
        .args(&start.argv[1..])
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("TERM", env::var_os("TERM").unwrap_or_else(|| "dumb".into()))
        .envs(start.variables.iter().cloned());
    if let Some((uid, gid)) = start.user {
        command.uid(uid).gid(gid);
    }
    if let Some(log) = log {
        let output = || log.try_clone().context("share the log");
        command.stdout(output()?).stderr(output()?);
    }
    Ok(command)
}
