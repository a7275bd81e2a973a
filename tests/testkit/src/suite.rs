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

use crate::exercise::{self, Exercise};
use crate::host::{self, Host};
use crate::program::Program;
use crate::{container, dependable, lesson, own};

/// A test: a promise about a program, as a function that fails when it is broken.
pub type Check = fn(&Program) -> Result<()>;

/// What a program gets after each `run`, before what the test gives it.
type Words = &'static [&'static str];

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

/// Our answer to an exercise of a step's chapter.
pub struct Answer {
    /// What the exercise is called, and its program too.
    pub name: &'static str,
    /// The program, as cargo built it.
    pub program: &'static str,
    /// Wrong answers, each an example of the step's package, with the check that each fails.
    pub wrong: &'static [(&'static str, &'static str)],
}

/// Runs the tests of a step:
///
/// ```text
/// testkit::suite!(5, "step05-pid", own: [a_test, another], exercises: [
///     "init": wrong ["init-reaps-only-its-child" fails "leaves_no_zombie"],
///     "rootless",
/// ])
/// ```
#[macro_export]
macro_rules! suite {
    (
        $number:literal, $name:literal, own: [$($own:ident),* $(,)?]
        $(, exercises: [$($answer:literal $(: wrong [$($wrong:literal fails $check:literal),+ $(,)?])?),* $(,)?])?
    ) => {
        $crate::suite::run(
            $crate::suite::Step {
                number: $number,
                program: env!(concat!("CARGO_BIN_EXE_", $name)),
                scratch: env!("CARGO_TARGET_TMPDIR"),
            },
            &[$((stringify!($own), $own as $crate::suite::Check)),*],
            &[$($($crate::suite::Answer {
                name: $answer,
                program: env!(concat!("CARGO_BIN_EXE_", $answer)),
                wrong: &[$($(($wrong, $check)),+)?],
            }),*)?],
        )
    };
}

/// Asks of the step what it and the steps before it promise, and what only it shows; and of
/// our answers to its exercises what these ask for.
///
/// With `CONTAINER` in the environment, that program is asked instead, and not about what
/// only our own can show; exercises are then asked for by name, as in `exercise::init`.
pub fn run(step: Step, only: &[(&'static str, Check)], answers: &[Answer]) -> ExitCode {
    let args = Arguments::from_args();
    let container = match container_to_ask() {
        Ok(container) => container,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(125);
        }
    };
    let is_named = args.filter.iter().any(|name| name.contains("exercise"));
    let step: &'static Step = Box::leak(Box::new(step));
    let program = container.clone().unwrap_or_else(|| step.program.into());
    let mut trials = promised(step, &program, |kind, name| format!("{kind}::{name}"));
    if container.is_none() {
        let shared = own::ALL.iter().filter(|p| p.steps.contains(&step.number));
        let shared = shared.map(|promise| (promise.name, promise.check));
        for (name, check) in shared.chain(only.iter().copied()) {
            let name = format!("own::{name}");
            trials.push(trial(step, &program, name, step.number, check));
        }
    }
    for answer in answers {
        let exercise = exercise::find(answer.name);
        match &container {
            None => trials.extend(about_answer(step, answer, exercise)),
            Some(program) if is_named => trials.extend(asked(step, program, exercise)),
            Some(_) => {}
        }
    }
    // `ok. 0 passed` would look like a success. Only whole kinds of tests may be empty: step 1
    // has no lesson, as it executes nothing.
    let has = |name: &String| trials.iter().any(|trial| trial.name().contains(name));
    let is_kind = |name: &String| ["lesson", "dependable"].contains(&name.as_str());
    let is_asked = container.is_some() && !args.list;
    let wanted = args.filter.as_ref().filter(|_| is_asked);
    if let Some(name) = wanted.filter(|name| !is_kind(name) && !has(name)) {
        eprintln!("error: step {} has no test called {name}", step.number);
        return ExitCode::from(125);
    }
    run_all(&args, trials)
}

/// Runs tests that enter a [`Host`], and leaves nothing of theirs, whatever ends them.
pub fn run_all(args: &Arguments, trials: Vec<Trial>) -> ExitCode {
    end_with_a_signal();
    // Also when the results cannot be written, as in a pipe that is cut.
    let _clear = ClearAll;
    libtest_mimic::run(args, trials).exit_code()
}

struct ClearAll;

impl Drop for ClearAll {
    fn drop(&mut self) {
        host::clear_all();
    }
}

/// The program that `CONTAINER` names, if it is set.
fn container_to_ask() -> Result<Option<PathBuf>> {
    let Some(path) = env::var_os("CONTAINER") else {
        return Ok(None);
    };
    let shown = path.to_string_lossy().into_owned();
    let path = from_top(Path::new(&path));
    container::check(&path, &shown)
        .context("CONTAINER, where a relative path counts from the repository's folder")?;
    Ok(Some(path))
}

/// What the step and the steps before it promise, with a name for each trial.
fn promised(
    step: &'static Step,
    program: &Path,
    name: impl Fn(&str, &str) -> String,
) -> Vec<Trial> {
    let all = [("lesson", lesson::ALL), ("dependable", dependable::ALL)];
    let all = all.iter().flat_map(|(kind, promises)| {
        let kept = promises.iter().filter(|p| p.steps.contains(&step.number));
        kept.map(|promise| (name(kind, promise.name), promise))
    });
    all.map(|(name, promise)| trial(step, program, name, *promise.steps.start(), promise.check))
        .collect()
}

/// What an exercise asks for: its own checks; and if it has parts, those of each part, and
/// what the steps promise.
fn asked(step: &'static Step, program: &Path, exercise: &'static Exercise) -> Vec<Trial> {
    let prefix = format!("exercise::{}::", exercise.name);
    let mut trials = checked(step, program, &prefix, exercise, &[]);
    for (name, words) in exercise.parts() {
        let prefix = format!("{prefix}{name}::");
        let part = exercise::find(name);
        trials.extend(checked(step, program, &prefix, part, words));
    }
    if !exercise.parts().is_empty() {
        // Not as lessons: who asks for these, by that word, asks for those of the steps.
        let name = |_: &str, name: &str| format!("{prefix}steps::{name}");
        let kept = promised(step, program, name).into_iter().filter(|trial| {
            let except = exercise.dependable_except.unwrap_or_default();
            !except.iter().any(|name| trial.name().ends_with(name))
        });
        trials.extend(kept);
    }
    trials
}

fn checked(
    step: &'static Step,
    program: &Path,
    prefix: &str,
    exercise: &'static Exercise,
    words: Words,
) -> Vec<Trial> {
    let checks = exercise.checks.iter();
    let trials = checks.map(|(name, check)| {
        let name = format!("{prefix}{name}");
        trial_with(step, program, name, step.number, words, *check)
    });
    trials.collect()
}

/// Our answer does what the exercise asks for, and is as dependable as the step; and what is
/// no answer fails: the step as it was, and each wrong answer.
fn about_answer(step: &'static Step, answer: &Answer, exercise: &'static Exercise) -> Vec<Trial> {
    let program = Path::new(answer.program);
    let mut trials = asked(step, program, exercise);
    let is_asked_by_itself = !exercise.parts().is_empty();
    if let Some(except) = exercise.dependable_except.filter(|_| !is_asked_by_itself) {
        let promises = dependable::ALL.iter();
        let kept = promises.filter(|p| p.steps.contains(&step.number) && !except.contains(&p.name));
        trials.extend(kept.map(|promise| {
            let name = format!("answer::{}::{}", answer.name, promise.name);
            trial(step, program, name, step.number, promise.check)
        }));
    }
    let name = format!("bites::{}::the_step_as_it_was", answer.name);
    trials.push(bite(step, Path::new(step.program), name, exercise, None));
    for (wrong, check) in answer.wrong {
        let path = program.with_file_name("examples").join(wrong);
        let name = format!("bites::{}::{wrong}", answer.name);
        trials.push(bite(step, &path, name, exercise, Some(*check)));
    }
    trials
}

fn trial(step: &'static Step, program: &Path, name: String, taught: u8, check: Check) -> Trial {
    trial_with(step, program, name, taught, &[], check)
}

fn trial_with(
    step: &'static Step,
    program: &Path,
    name: String,
    taught: u8,
    words: Words,
    check: Check,
) -> Trial {
    let program = program.to_path_buf();
    Trial::test(name, move || {
        let result = run_check(step, &program, words, check);
        result.map_err(|error| Failed::from(explain(&error, taught)))
    })
}

/// Passes if `program` fails an exercise: the check that is named, or any of them.
fn bite(
    step: &'static Step,
    program: &Path,
    name: String,
    exercise: &'static Exercise,
    wanted: Option<&'static str>,
) -> Trial {
    let program = program.to_path_buf();
    Trial::test(name, move || {
        if !program.is_file() {
            let name = program.display();
            return Err(format!("there is no {name}: `cargo build --examples` makes it").into());
        }
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
        let mut checks = exercise.checks.iter().filter(|(name, _)| is_wanted(name));
        let fails = checks.any(|(_, check)| run_check(step, &program, &[], *check).is_err());
        let what = wanted.unwrap_or("every check");
        let complaint = || format!("passes {what}, and should not: {}", program.display());
        fails.then_some(()).ok_or_else(|| complaint().into())
    })
}

/// Runs a check in a thread of its own: namespaces are a thread's, and with it the host of
/// the test is gone, too.
fn run_check(step: &'static Step, path: &Path, words: Words, check: Check) -> Result<()> {
    let path = path.to_path_buf();
    let test = thread::spawn(move || {
        ensure!(path.is_file(), "there is no program {}", path.display());
        let rootfs = provide_rootfs(Path::new(step.scratch))?;
        let host = Host::enter(step.number >= 3)?;
        let step = step.program.into();
        check(&Program {
            path,
            step,
            rootfs,
            host,
            words,
        })
    });
    test.join()
        .unwrap_or_else(|_| Err(anyhow!("the test itself panicked")))
}

fn explain(error: &Error, taught: u8) -> String {
    let error = format!("{error:#}");
    // What was left on the host may belong to another chapter, which it then names.
    match error.contains("\nmore in: ") {
        true => error,
        false => error + &host::more_in(taught),
    }
}

/// The root filesystem for all tests: `ROOTFS`, or one that is made once and kept in the
/// folder `scratch`.
///
/// # Errors
///
/// If this machine lacks a program that belongs into it, or the disk is full.
pub fn provide_rootfs(scratch: &Path) -> Result<PathBuf> {
    if let Some(path) = env::var_os("ROOTFS") {
        return Ok(from_top(Path::new(&path)));
    }
    // Another one for another version of the program that makes it, or another user of it:
    // only root's has device files.
    let mut hasher = DefaultHasher::new();
    geteuid().as_raw().hash(&mut hasher);
    rootfs::SOURCE.hash(&mut hasher);
    let path = scratch.join(format!("rootfs-{:016x}", hasher.finish()));
    fs::create_dir_all(scratch).context("make the folder for the tests")?;
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
