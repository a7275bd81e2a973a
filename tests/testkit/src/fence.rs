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
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use contract::failure::{Failure, Obstacle};
use contract::variables::{self, CONTAINER, ROOTFS, SLOWNESS};
use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use crate::guard::{self, Guard};
use crate::inside::{self, QUESTION, SCRATCH};
use crate::mounts::{mount_new, propagate, unmount};
use crate::scratch;

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

/// Has the question asked inside, and waits for what came of it. `here` asks it without a fence,
/// which is all there is for a user who cannot make namespaces. Whether a program hangs `counts`
/// unless it is one that is known to.
pub fn ask(
    question: &str,
    takes_root: bool,
    counts: bool,
    here: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<()> {
    if counts && WAITS.load(Ordering::SeqCst) >= PATIENCE {
        let text =
            format!("{PATIENCE} tests have waited in vain for the program to go on or to end");
        return Err(Failure::not_asked(Obstacle::NotAsked(text)).into());
    }
    let question = question.to_owned();
    // Namespaces are a thread's.
    let asked = thread::spawn(move || match unshare(CloneFlags::CLONE_NEWPID) {
        Ok(()) => ask_inside(&question),
        Err(Errno::EPERM) if takes_root => Err(Failure::needs_root().into()),
        Err(Errno::EPERM) => here(),
        Err(errno) => Err(errno).context("unshare the PID namespace"),
    });
    let result = asked
        .join()
        .unwrap_or_else(|_| Err(anyhow!("the test itself panicked")));
    let failure = result.as_ref().err().map(Failure::of);
    if counts && failure.is_some_and(|failure| failure.hangs) {
        WAITS.fetch_add(1, Ordering::SeqCst);
    }
    result
}

fn ask_inside(question: &str) -> Result<()> {
    let scratch = scratch::folder()?;
    let guard = Guard::make()?;
    let said = memfd_create(c"said", MFdFlags::MFD_CLOEXEC).context("make a file in memory")?;
    let said = File::from(said);
    let mut command = Command::new("/proc/self/exe");
    for name in [CONTAINER, ROOTFS, SLOWNESS] {
        command.envs(variables::get(name).map(|value| (name, value)));
    }
    let mut test = command
        .env(QUESTION, question)
        .env(GUARD, guard.name())
        .env(SCRATCH, scratch)
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
    result_of(status, &String::from_utf8_lossy(&bytes))
}

/// What a test has found that has ended so, and has said this.
fn result_of(status: ExitStatus, said: &str) -> Result<()> {
    let said = Failure::from(said);
    let failure = match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(PASSED) => return Ok(()),
        Some(FAILED) => said,
        Some(WAITED) => Failure {
            hangs: true,
            ..said
        },
        Some(code @ 129..) => Failure {
            expected: "signals for its own processes only".into(),
            seen: format!(
                "signal {} for the test itself, as from kill(-1, …)",
                code - 128
            ),
            ..said
        },
        _ if status.signal().is_some() => Failure {
            expected: "a host that goes on".into(),
            seen: "its PID 1 has been ended, as by reboot(2)".into(),
            ..said
        },
        _ => return Err(anyhow!("the test itself panicked")),
    };
    Err(failure.into())
}

/// What a process inside does: PID 1 first, and then the one that asks.
pub fn inside(ask: impl FnOnce() -> Result<()>) -> ExitCode {
    let result = match env::var_os(GUARD) {
        Some(guard) => match be_pid_1(guard) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        None => {
            // We are process 2. Those that follow have numbers that no container has, if the
            // kernel can do that.
            fs::write("/proc/sys/kernel/ns_last_pid", "2600").ok();
            ask()
        }
    };
    let Err(error) = result else {
        inside::say("");
        return ExitCode::from(PASSED);
    };
    let failure = Failure::of(&error);
    inside::say(&failure.to_string());
    ExitCode::from(if failure.hangs { WAITED } else { FAILED })
}

fn be_pid_1(guard: OsString) -> Result<ExitCode> {
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed with the suite")?;
    // Without a terminal, which would be the user's.
    setsid().context("begin a session")?;
    let limits = guard::join(&guard).context("join the cgroups of the test")?;
    unshare(CloneFlags::CLONE_NEWNS).context("unshare the mount namespace")?;
    propagate(MsFlags::MS_PRIVATE)?;
    guard::mount_anew()?;
    // The one that is there shows the processes of the whole machine.
    unmount(Path::new("/proc"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("proc", Path::new("/proc"), flags, "")?;
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
