//! A process for each test, in a PID namespace: the only processes that a program under test
//! can reach are the test that asks, and those that it has started itself.
//!
//! The suite starts itself once more, as PID 1 of the namespace. That moves to a cgroup and a
//! mount namespace, starts the suite a third time, and reaps orphans, as a host's PID 1 does.
//! The third asks the question. `kill(-1, SIGKILL)` in the program ends that one, but neither
//! PID 1, to which the kernel sends no such signal, nor the suite, which is outside. When
//! PID 1 ends, the kernel kills all that is left.
//!
//! Read: pid_namespaces(7), kill(2).

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use course::{GIVEN_UP, SLOWNESS};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use crate::guard::{self, Guard};
use crate::host::{self, NEEDS_ROOT};
use crate::variables::{self, CONTAINER, ROOTFS};

/// In the environment: what the process inside is to ask.
const QUESTION: &str = "TESTKIT_QUESTION";

/// In that of PID 1: the name of the cgroups to join.
const GUARD: &str = "TESTKIT_GUARD";

/// What a test ends with: it has passed, it has failed, or it has waited in vain.
const PASSED: u8 = 0;
const FAILED: u8 = 1;
const WAITED: u8 = 2;

/// The questions are not asked any more after so many that had to wait for their end.
const PATIENCE: usize = 3;

/// How many tests have waited in vain for the program.
static WAITS: AtomicUsize = AtomicUsize::new(0);

/// The test has waited in vain for the program, which still ran.
#[derive(Debug)]
pub struct Hangs(pub String);

impl std::fmt::Display for Hangs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hangs {}

/// The question for this process, if it is one of those inside.
pub fn question() -> Option<String> {
    env::var(QUESTION).ok()
}

/// Has the question asked inside, and waits for the answer. `here` asks it without a fence,
/// which is all there is for a user who cannot make namespaces. Whether a program hangs `counts`
/// unless it is one that is known to.
pub fn ask(
    question: &str,
    needs_root: bool,
    counts: bool,
    here: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<()> {
    if counts && WAITS.load(Ordering::SeqCst) >= PATIENCE {
        return Err(anyhow!(
            "{GIVEN_UP}{PATIENCE} tests have waited in vain for the program to go on or to end"
        ));
    }
    let question = question.to_owned();
    // Namespaces are a thread's.
    let asked = thread::spawn(move || match unshare(CloneFlags::CLONE_NEWPID) {
        Ok(()) => ask_inside(&question),
        Err(Errno::EPERM) if needs_root => Err(anyhow!(NEEDS_ROOT)),
        Err(Errno::EPERM) => here(),
        Err(errno) => Err(errno).context("unshare the PID namespace"),
    });
    let answer = asked
        .join()
        .unwrap_or_else(|_| Err(anyhow!("the test itself panicked")));
    if counts && answer.as_ref().is_err_and(|error| error.is::<Hangs>()) {
        WAITS.fetch_add(1, Ordering::SeqCst);
    }
    answer
}

fn ask_inside(question: &str) -> Result<()> {
    let scratch = host::scratch()?;
    let guard = Guard::make().context("make a cgroup for the program under test")?;
    let said = memfd_create(c"said", MFdFlags::MFD_CLOEXEC).context("make a file in memory")?;
    let said = File::from(said);
    let mut command = Command::new("/proc/self/exe");
    for name in [CONTAINER, ROOTFS, SLOWNESS] {
        command.envs(variables::get(name).map(|value| (name, value)));
    }
    let mut test = command
        .env(QUESTION, question)
        .env(GUARD, guard.name())
        .env(host::SCRATCH, scratch)
        .stdin(Stdio::null())
        .stdout(said.try_clone().context("share a file")?)
        .spawn()
        .context("start the test")?;
    let mut thawed = Instant::now();
    let status = loop {
        if let Some(status) = test.try_wait().context("wait for the test")? {
            break status;
        }
        if thawed.elapsed() > Duration::from_secs(1) {
            guard.thaw();
            thawed = Instant::now();
        }
        thread::sleep(Duration::from_millis(2));
    };
    let mut bytes = vec![0; usize::try_from(said.metadata().context("look at a file")?.len())?];
    said.read_exact_at(&mut bytes, 0)
        .context("read what the test says")?;
    answer(status, String::from_utf8_lossy(&bytes).into_owned())
}

fn answer(status: ExitStatus, said: String) -> Result<()> {
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(PASSED) => Ok(()),
        Some(FAILED) => Err(anyhow!(said)),
        Some(WAITED) => Err(Hangs(said).into()),
        Some(code @ 129..) => Err(anyhow!(
            "{said}\nexpected: signals for its own processes only\n\
             seen:     signal {} for the test itself, as from kill(-1, …)",
            code - 128
        )),
        _ if status.signal().is_some() => Err(anyhow!(
            "{said}\nexpected: a host that goes on\nseen:     its PID 1 has been ended, as by reboot(2)"
        )),
        _ => Err(anyhow!("the test itself panicked")),
    }
}

/// What a process inside does: PID 1 first, and then the one that asks.
pub fn inside(ask: impl FnOnce() -> Result<()>) -> ExitCode {
    let result = match env::var_os(GUARD) {
        Some(guard) => return be_pid_1(guard),
        None => {
            // We are process 2. Those that follow have numbers that no container has, if the
            // kernel can do that.
            fs::write("/proc/sys/kernel/ns_last_pid", "2600").ok();
            ask()
        }
    };
    let (code, said) = match result {
        Ok(()) => (PASSED, String::new()),
        Err(error) if error.is::<Hangs>() => (WAITED, format!("{error:#}")),
        Err(error) => (FAILED, format!("{error:#}")),
    };
    say(&said);
    ExitCode::from(code)
}

/// The cgroup with the limits, in the process that asks.
pub fn limits() -> Result<OwnedFd> {
    let limits = io::stdin().as_fd().try_clone_to_owned();
    limits.context("find the cgroup with the limits")
}

/// Whether this process is one of those inside.
pub fn is_inside() -> bool {
    env::var_os(QUESTION).is_some()
}

/// Hides from a program that it was started by a test.
pub fn hide(command: &mut Command) {
    command.env_remove(QUESTION).env_remove(host::SCRATCH);
}

/// Leaves word for the suite, in place of what was said before: this process may be killed.
pub fn say(text: &str) {
    if let Ok(said) = io::stdout().as_fd().try_clone_to_owned().map(File::from) {
        said.set_len(0)
            .and_then(|()| said.write_all_at(text.as_bytes(), 0))
            .ok();
    }
}

fn be_pid_1(guard: OsString) -> ExitCode {
    start(guard).unwrap_or_else(|error| {
        say(&format!("{error:#}"));
        ExitCode::from(FAILED)
    })
}

fn start(guard: OsString) -> Result<ExitCode> {
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed with the suite")?;
    // Without a terminal, which would be the user's.
    setsid().context("begin a session")?;
    let limits = guard::join(&guard).context("join the cgroups of the test")?;
    unshare(CloneFlags::CLONE_NEWNS).context("unshare the mount namespace")?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).context("make / private")?;
    guard::mount_anew()?;
    // The one that is there shows the processes of the whole machine.
    umount2("/proc", MntFlags::MNT_DETACH).context("unmount /proc")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("mount proc")?;
    let mut test = Command::new("/proc/self/exe");
    // What it reads is the folder of the cgroup: no other descriptor goes along.
    let test = test.env_remove(GUARD).stdin(limits).spawn();
    let test = Pid::from_raw(i32::try_from(test.context("start the test")?.id())?);
    loop {
        // Also orphans, which come to PID 1.
        match waitpid(None, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == test => {
                return Ok(ExitCode::from(u8::try_from(code)?));
            }
            Ok(WaitStatus::Signaled(pid, signal, _) | WaitStatus::Stopped(pid, signal))
                if pid == test =>
            {
                return Ok(ExitCode::from(128 + u8::try_from(signal as i32)?));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("wait for the test"),
        }
    }
}
