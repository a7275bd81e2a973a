//! Puts the tests of one step together and runs them.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::thread;

use anyhow::{Context, Error, Result, anyhow, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::host::{self, Host};
use crate::program::Program;
use crate::{dependable, lesson, rootfs};

/// A test: a promise about a program, as a function that fails when it is broken.
pub type Check = fn(&Program) -> Result<()>;

/// A promise that a step makes and every later step keeps.
pub struct Promise {
    /// The steps that keep it. The first is the chapter that tells about it.
    pub steps: RangeInclusive<u8>,
    /// What it is called in the list of tests.
    pub name: &'static str,
    /// The test.
    pub check: Check,
}

/// The promises in a table, by the steps that keep them: `5..=8 => [counts_from_1, ...],`.
macro_rules! promises {
    ($($steps:expr => [$($name:ident),+ $(,)?],)+) => {
        &[$($($crate::suite::Promise {
            steps: $steps,
            name: stringify!($name),
            check: $name,
        },)+)+]
    };
}
pub(crate) use promises;

/// What is tested.
pub struct Step {
    /// Its number, 1 to 8.
    pub number: u8,
    /// Its program, as cargo built it.
    pub program: &'static str,
    /// A folder under `target` for what the tests need.
    pub scratch: &'static str,
}

/// Runs the tests of a step: `testkit::suite!(5, "step05-pid", own: [a_test, another])`.
#[macro_export]
macro_rules! suite {
    ($number:literal, $name:literal, own: [$($own:ident),* $(,)?]) => {
        $crate::suite::run(
            $crate::suite::Step {
                number: $number,
                program: env!(concat!("CARGO_BIN_EXE_", $name)),
                scratch: env!("CARGO_TARGET_TMPDIR"),
            },
            &[$((stringify!($own), $own as $crate::suite::Check)),*],
        )
    };
}

/// Asks of the step what it and the steps before it promise, and what only it shows.
///
/// With `CONTAINER` in the environment, that program is asked instead, and not about what
/// only our own can show.
pub fn run(step: Step, own: &[(&'static str, Check)]) -> ExitCode {
    let container = env::var_os("CONTAINER").map(|path| from_top(Path::new(&path)));
    let program = container.clone().unwrap_or_else(|| step.program.into());
    let step: &'static Step = Box::leak(Box::new(step));
    let mut trials = Vec::new();
    for (module, promises) in [("lesson", lesson::ALL), ("dependable", dependable::ALL)] {
        for promise in promises {
            if promise.steps.contains(&step.number) {
                let name = format!("{module}::{}", promise.name);
                trials.push(trial(
                    step,
                    &program,
                    name,
                    *promise.steps.start(),
                    promise.check,
                ));
            }
        }
    }
    if container.is_none() {
        for (name, check) in own {
            trials.push(trial(
                step,
                &program,
                format!("own::{name}"),
                step.number,
                *check,
            ));
        }
    }
    end_with_a_signal();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(step: &'static Step, program: &Path, name: String, chapter: u8, check: Check) -> Trial {
    let program = program.to_path_buf();
    Trial::test(name, move || {
        // Namespaces are a thread's: with this one the host of the test is gone, too.
        let test = thread::spawn(move || run_check(step, program, check));
        let result = test
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the test itself panicked")));
        result.map_err(|error| Failed::from(explain(&error, chapter)))
    })
}

fn run_check(step: &Step, path: PathBuf, check: Check) -> Result<()> {
    ensure!(path.is_file(), "there is no program {}", path.display());
    let rootfs = provide_rootfs(step)?;
    let host = Host::enter(step.number >= 3)?;
    check(&Program { path, rootfs, host })
}

fn explain(error: &Error, chapter: u8) -> String {
    format!("{error:#}\nmore in:  chapter {chapter} of the book")
}

/// The root filesystem for all tests: `ROOTFS`, or one that is made once and kept.
fn provide_rootfs(step: &Step) -> Result<PathBuf> {
    if let Some(path) = env::var_os("ROOTFS") {
        return Ok(from_top(Path::new(&path)));
    }
    // Another one for another version of the program that makes it, or another user of it:
    // only root's has device files.
    let mut hasher = DefaultHasher::new();
    geteuid().as_raw().hash(&mut hasher);
    include_str!("../../../step06-chroot/src/bin/rootfs.rs").hash(&mut hasher);
    let path = Path::new(step.scratch).join(format!("rootfs-{:016x}", hasher.finish()));
    fs::create_dir_all(step.scratch).context("make the folder for the tests")?;
    let lock = path.with_extension("lock");
    let lock = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
    // Tests run side by side, in this process and in others.
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .context("wait for the root filesystem")?;
    if !path.exists() {
        rootfs::make(&path, &[]).context("make a root filesystem for the tests")?;
    }
    Ok(path)
}

/// A relative path counts from the workspace's top: a test runs in its package's folder.
fn from_top(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// On Ctrl-C and the like, ends what the tests have started before they end themselves.
///
/// It also makes up for a shell that starts the tests in the background, with SIGINT and
/// SIGQUIT ignored: what has a handler here is back to its default in a new program.
fn end_with_a_signal() {
    let signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]);
    let mut signals = signals.expect("no handler is forbidden");
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            host::clear_all();
            process::exit(128 + signal);
        }
    });
}
