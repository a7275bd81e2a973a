//! Puts the tests of one step together and runs them.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::thread;

use anyhow::{Context, Error, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exercise::{self, Exercise};
use crate::host::{self, Host};
use crate::program::Program;
use crate::variables::{self, CONTAINER, ROOTFS};
use crate::{container, dependable, fence, lesson, own};

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
    let args = Selection::from_args();
    let container = match variables::recover().and_then(|()| container_to_ask()) {
        Ok(container) => container,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(125);
        }
    };
    let question = fence::question();
    let is_named = args.names.iter().any(|name| name.contains("exercise"));
    let step: &'static Step = Box::leak(Box::new(step));
    let program = container.clone().unwrap_or_else(|| step.program.into());
    let mut tests = promised(step, &program, |kind, name| format!("{kind}::{name}"));
    if container.is_none() {
        let shared = own::ALL.iter().filter(|p| p.steps.contains(&step.number));
        let shared = shared.map(|promise| (promise.name, promise.check));
        for (name, check) in shared.chain(only.iter().copied()) {
            let name = format!("own::{name}");
            tests.push(Test::of(step, &program, name, step.number, check));
        }
    }
    for answer in answers {
        let exercise = exercise::find(answer.name);
        match &container {
            None => tests.extend(about_answer(step, answer, exercise)),
            Some(program) if is_named || question.is_some() => {
                tests.extend(asked(step, program, exercise));
            }
            Some(_) => {}
        }
    }
    if let Some(question) = question {
        let mut questions = tests.iter().flat_map(|test| &test.questions);
        let found = questions.find(|known| known.id == question);
        return fence::inside(|| found.context("find the question")?.ask());
    }
    // `ok. 0 passed` would look like a success. Only whole kinds of tests may be empty: step 1
    // has no lesson, as it executes nothing.
    let has = |name: &String| tests.iter().any(|test| test.name.contains(name));
    let is_kind = |name: &String| ["lesson", "dependable"].contains(&name.as_str());
    if container.is_some() && !args.is_listing() {
        let mut names = args.names.iter();
        if let Some(name) = names.find(|name| !is_kind(name) && !has(name)) {
            eprintln!("error: step {} has no test called {name}", step.number);
            return ExitCode::from(125);
        }
        eprintln!(
            "asked: {}",
            program.canonicalize().unwrap_or(program).display()
        );
    }
    run_all(args, tests.into_iter().map(Test::into_trial).collect())
}

/// Which tests the user wants to run, and how.
pub struct Selection {
    args: Arguments,
    /// Parts of the names of the tests that are wanted, or none: then all are.
    pub names: Vec<String>,
}

impl Selection {
    /// From the command line, on which any number of names may stand, as in other tests.
    pub fn from_args() -> Self {
        let mut names = Vec::new();
        let mut rest: Vec<OsString> = Vec::new();
        let mut has_value = true;
        for arg in env::args_os() {
            match arg.to_str() {
                Some(name) if !has_value && !name.starts_with('-') => names.push(name.to_owned()),
                _ => {
                    let options = [
                        "--test-threads",
                        "--logfile",
                        "--skip",
                        "--color",
                        "--format",
                    ];
                    has_value = options.iter().any(|option| arg == *option) || arg == "-Z";
                    rest.push(arg);
                }
            }
        }
        let mut args = Arguments::from_iter(rest);
        // Most tests wait for a program most of the time.
        let threads = thread::available_parallelism().map_or(1, |count| count.get());
        args.test_threads = args.test_threads.or(Some(threads.max(4)));
        Self { args, names }
    }

    fn is_listing(&self) -> bool {
        self.args.list
    }

    fn is_wanted(&self, trial: &Trial) -> bool {
        let is_it = |name: &String| match self.args.exact {
            true => trial.name() == name,
            false => trial.name().contains(name),
        };
        self.names.is_empty() || self.names.iter().any(is_it)
    }
}

/// Runs tests that enter a [`Host`], and leaves nothing of theirs, whatever ends them.
pub fn run_all(selection: Selection, mut trials: Vec<Trial>) -> ExitCode {
    end_with_a_signal();
    // Also when the results cannot be written, as in a pipe that is cut.
    let _clear = ClearAll;
    let Selection { mut args, names } = selection;
    match &names[..] {
        [] => {}
        [name] => args.filter = Some(name.clone()),
        // It knows one name only.
        _ => {
            let selection = Selection {
                args: args.clone(),
                names,
            };
            trials.retain(|trial| selection.is_wanted(trial));
        }
    }
    libtest_mimic::run(&args, trials).exit_code()
}

struct ClearAll;

impl Drop for ClearAll {
    fn drop(&mut self) {
        host::clear_all();
    }
}

/// The program that `CONTAINER` names, if it is set.
fn container_to_ask() -> Result<Option<PathBuf>> {
    let Some(path) = variables::get(CONTAINER) else {
        return Ok(None);
    };
    let shown = path.to_string_lossy().into_owned();
    let path = from_top(Path::new(&path));
    container::check(&path, &shown)
        .context("CONTAINER, where a relative path counts from the repository's folder")?;
    Ok(Some(path))
}

/// What a program is asked, in a process of its own.
struct Question {
    id: String,
    step: &'static Step,
    program: PathBuf,
    words: Words,
    check: Check,
}

/// A test: one question, or several that a wrong answer must not pass all.
struct Test {
    name: String,
    questions: Vec<Question>,
    kind: Kind,
}

enum Kind {
    /// The step that teaches it.
    Passes(u8),
    /// What it does not pass.
    Bites(&'static str),
}

impl Question {
    /// Asks it, on a host of its own.
    fn ask(&self) -> Result<()> {
        let path = self.program.clone();
        ensure!(path.is_file(), "there is no program {}", path.display());
        let rootfs = provide_rootfs(Path::new(self.step.scratch))?;
        let host = Host::enter(self.step.number >= 3)?;
        if variables::get(CONTAINER).is_none() {
            // A user namespace's root may not enter a home that is closed to others.
            host.open_the_way_to(&from_top(Path::new("")))?;
        }
        if self.step.number >= 6 {
            // An overlay may lie on another one, but not on two.
            // Some tests of our own are about our answers, too.
            let makers = ["overlay", "mydocker", "own::fails_", "own::hears_"];
            let has_its_own = makers.iter().any(|maker| self.id.contains(maker));
            host.copy_on_write(&rootfs, has_its_own)?;
        }
        let program = Program {
            path,
            step: self.step.program.into(),
            rootfs,
            host,
            words: self.words,
        };
        (self.check)(&program).map_err(|error| program.host.complete(error))
    }

    /// Has it asked inside the fence.
    fn answer(self, counts: bool) -> Result<()> {
        let id = self.id.clone();
        fence::ask(&id, self.step.number >= 3, counts, move || self.ask())
    }
}

impl Test {
    fn of(step: &'static Step, program: &Path, name: String, taught: u8, check: Check) -> Self {
        Self::with(step, program, name, taught, &[], check)
    }

    fn with(
        step: &'static Step,
        program: &Path,
        name: String,
        taught: u8,
        words: Words,
        check: Check,
    ) -> Self {
        let question = Question {
            id: name.clone(),
            step,
            program: program.to_path_buf(),
            words,
            check,
        };
        Self {
            name,
            questions: vec![question],
            kind: Kind::Passes(taught),
        }
    }

    /// Passes if `program` fails an exercise: the check that is named, or any of them.
    fn bite(
        step: &'static Step,
        program: &Path,
        name: String,
        exercise: &'static Exercise,
        wanted: Option<&'static str>,
    ) -> Self {
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
        let checks = exercise.checks.iter().filter(|(name, _)| is_wanted(name));
        let questions = checks.map(|(check_name, check)| Question {
            id: format!("{name}::{check_name}"),
            step,
            program: program.to_path_buf(),
            words: &[],
            check: *check,
        });
        Self {
            questions: questions.collect(),
            name,
            kind: Kind::Bites(wanted.unwrap_or("every check")),
        }
    }

    fn into_trial(self) -> Trial {
        let Self {
            name,
            questions,
            kind,
        } = self;
        Trial::test(name, move || {
            let mut questions = questions.into_iter();
            match kind {
                Kind::Passes(taught) => {
                    let result = questions.try_for_each(|question| question.answer(true));
                    result.map_err(|error| Failed::from(explain(&error, taught)))
                }
                Kind::Bites(what) => bites(questions, what).map_err(Failed::from),
            }
        })
    }
}

fn bites(questions: impl Iterator<Item = Question>, what: &str) -> Result<(), String> {
    for question in questions {
        let program = question.program.clone();
        if !program.is_file() {
            let name = program.display();
            return Err(format!(
                "there is no {name}: `cargo build --examples` makes it"
            ));
        }
        if question.answer(false).is_err() {
            return Ok(());
        }
    }
    Err(format!("passes {what}, and should not"))
}

/// What the step and the steps before it promise, with a name for each test.
fn promised(step: &'static Step, program: &Path, name: impl Fn(&str, &str) -> String) -> Vec<Test> {
    let all = [("lesson", lesson::ALL), ("dependable", dependable::ALL)];
    let all = all.iter().flat_map(|(kind, promises)| {
        let kept = promises.iter().filter(|p| p.steps.contains(&step.number));
        kept.map(|promise| (name(kind, promise.name), promise))
    });
    all.map(|(name, promise)| Test::of(step, program, name, *promise.steps.start(), promise.check))
        .collect()
}

/// What an exercise asks for: its own checks; and if it has parts, those of each part, and
/// what the steps promise.
fn asked(step: &'static Step, program: &Path, exercise: &'static Exercise) -> Vec<Test> {
    let prefix = format!("exercise::{}::", exercise.name);
    let mut tests = checked(step, program, &prefix, exercise, &[]);
    for (name, words) in exercise.parts() {
        let prefix = format!("{prefix}{name}::");
        let part = exercise::find(name);
        tests.extend(checked(step, program, &prefix, part, words));
    }
    if !exercise.parts().is_empty() {
        // Not as lessons: who asks for these, by that word, asks for those of the steps.
        let name = |_: &str, name: &str| format!("{prefix}steps::{name}");
        let kept = promised(step, program, name).into_iter().filter(|test| {
            let except = exercise.dependable_except.unwrap_or_default();
            !except.iter().any(|name| test.name.ends_with(name))
        });
        tests.extend(kept);
    }
    tests
}

fn checked(
    step: &'static Step,
    program: &Path,
    prefix: &str,
    exercise: &'static Exercise,
    words: Words,
) -> Vec<Test> {
    let checks = exercise.checks.iter();
    let tests = checks.map(|(name, check)| {
        let name = format!("{prefix}{name}");
        Test::with(step, program, name, step.number, words, *check)
    });
    tests.collect()
}

/// Our answer does what the exercise asks for, and is as dependable as the step; and what is
/// no answer fails: the step as it was, and each wrong answer.
fn about_answer(step: &'static Step, answer: &Answer, exercise: &'static Exercise) -> Vec<Test> {
    let program = Path::new(answer.program);
    let mut tests = asked(step, program, exercise);
    let is_asked_by_itself = !exercise.parts().is_empty();
    if let Some(except) = exercise.dependable_except.filter(|_| !is_asked_by_itself) {
        let promises = dependable::ALL.iter();
        let kept = promises.filter(|p| p.steps.contains(&step.number) && !except.contains(&p.name));
        tests.extend(kept.map(|promise| {
            let name = format!("answer::{}::{}", answer.name, promise.name);
            Test::of(step, program, name, step.number, promise.check)
        }));
    }
    let name = format!("bites::{}::the_step_as_it_was", answer.name);
    tests.push(Test::bite(
        step,
        Path::new(step.program),
        name,
        exercise,
        None,
    ));
    for (wrong, check) in answer.wrong {
        let path = program.with_file_name("examples").join(wrong);
        let name = format!("bites::{}::{wrong}", answer.name);
        tests.push(Test::bite(step, &path, name, exercise, Some(*check)));
    }
    tests
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
    if let Some(path) = variables::get(ROOTFS) {
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
