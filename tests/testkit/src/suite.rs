//! Puts the tests of one step together and runs them.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, ensure};
use contract::failure::Failure;
use contract::variables::{self, CONTAINER, ROOTFS};
use libtest_mimic::{Arguments, Failed, Trial};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::check::{Check, Promises};
use crate::host::Host;
use crate::program::Program;
use crate::{dependable, exercise, fence, guard, inside, lesson, own, scratch};

/// Words of a command line.
type Words = &'static [&'static str];

/// A step, and what its suite asks beside what the testkit asks of every step.
pub struct Step {
    /// Its number, 1 to 8.
    pub number: u8,
    /// Its program, as cargo built it. The answers to its exercises lie beside it.
    pub program: &'static str,
    /// A folder under `target` for what the tests need.
    pub scratch: &'static str,
    /// What only it shows.
    pub own: &'static [Check],
    /// What only its answers to exercises show, each with options that it gets after `run`:
    /// `own::ANSWER_CHECK`.
    pub answers: &'static [(&'static str, Words, &'static [Check])],
    /// Wrong answers, each an example of the step's package, with the check that it fails:
    /// `("init-reaps-one-per-signal", "init::leaves_no_zombie")`.
    pub wrong: &'static [(&'static str, &'static str)],
}

/// Asks of the step what it and the steps before it promise, and what only it shows; and of
/// our answers to its exercises what these ask for.
///
/// With `CONTAINER` in the environment, that program is asked instead, and not about what
/// only our own can show; exercises are then asked for by name, as in `exercise::init`.
pub fn run(step: Step) -> ExitCode {
    let container = match variables::recover().and_then(|()| container_to_ask()) {
        Ok(container) => container,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(125);
        }
    };
    let step: &'static Step = Box::leak(Box::new(step));
    // Nobody inside has a command line, and to parse one takes longer than most tests.
    if let Some(question) = inside::question() {
        return fence::inside(|| {
            let tests = about(step, container.as_deref(), true);
            let mut questions = tests.iter().flat_map(|test| &test.questions);
            let found = questions.find(|known| known.id == question);
            found.context("find the question")?.ask()
        });
    }
    let args = Selection::from_args();
    let exercises = args.names.iter().any(|name| name.contains("exercise"));
    let tests = about(step, container.as_deref(), exercises);
    // `ok. 0 passed` would look like a success. Only whole kinds of tests may be empty: step 1
    // has no lesson, as it executes nothing.
    let has = |name: &String| tests.iter().any(|test| test.name.contains(name));
    let is_kind = |name: &String| ["lesson", "dependable"].contains(&name.as_str());
    if let (Some(program), false) = (container, args.is_listing()) {
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
        clear_all();
    }
}

/// Ends all programs under test in this process, and removes their cgroups and the tests'
/// folder: at the end of all tests, and on Ctrl-C. Not for the thread of a test.
///
/// No test can begin after that.
fn clear_all() {
    guard::remove_all();
    scratch::remove();
}

/// The program that `CONTAINER` names, if it is set.
fn container_to_ask() -> Result<Option<PathBuf>> {
    let Some(path) = variables::get(CONTAINER) else {
        return Ok(None);
    };
    let shown = path.to_string_lossy().into_owned();
    let path = from_top(Path::new(&path));
    common::expect_program(&path, &shown)
        .context("CONTAINER, where a relative path counts from the repository's folder")?;
    Ok(Some(path))
}

/// What a program is asked, in a process of its own.
struct Question {
    id: String,
    step: &'static Step,
    program: PathBuf,
    /// What the program gets after each `run`, before what the check gives it.
    options: Words,
    check: &'static Check,
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
    fn new(step: &'static Step, program: &Path, id: String, check: &'static Check) -> Self {
        Self {
            id,
            step,
            program: program.to_path_buf(),
            options: &[],
            check,
        }
    }

    /// Asks it, on a host of its own.
    fn ask(&self) -> Result<()> {
        let path = self.program.clone();
        let name = path.display();
        ensure!(
            path.is_file(),
            "there is no program {name} (ours come by `cargo build --bins --examples`)"
        );
        let rootfs = provide_rootfs(Path::new(self.step.scratch))?;
        let host = Host::enter(self.step.number >= 3)?;
        if variables::get(CONTAINER).is_none() {
            // A user namespace's root may not enter a home that is closed to others.
            host.open_the_way_to(&from_top(Path::new("")))?;
        }
        if self.step.number >= 6 {
            // An overlay may lie on another one, but not on two.
            // Some tests of our own are about our answers, too.
            let makers = [
                "overlay",
                "layers",
                "mydocker",
                "own::fails_",
                "own::hears_",
            ];
            let has_its_own = makers.iter().any(|maker| self.id.contains(maker));
            host.copy_on_write(&rootfs, has_its_own)?;
        }
        let program = Program {
            path,
            step: self.step.program.into(),
            rootfs,
            host: Arc::new(host),
            options: self.options,
        };
        (self.check.ask)(&program).map_err(|error| program.host.complete(&error).into())
    }

    /// Has it asked inside the fence.
    fn ask_inside(self, counts: bool) -> Result<()> {
        let id = self.id.clone();
        fence::ask(&id, self.step.number >= 3, counts, move || self.ask())
    }
}

impl Test {
    fn passes(taught: u8, question: Question) -> Self {
        Self {
            name: question.id.clone(),
            questions: vec![question],
            kind: Kind::Passes(taught),
        }
    }

    /// Passes if `program` fails an exercise: the check that is named, or any of them.
    fn bites(
        step: &'static Step,
        program: PathBuf,
        name: String,
        exercise: &course::Exercise,
        wanted: Option<&'static str>,
    ) -> Self {
        let checks = exercise::checks(exercise).iter();
        let checks = checks.filter(|check| wanted.is_none_or(|wanted| wanted == check.name));
        let questions = checks.map(|check| Question {
            id: format!("{name}::{}", check.name),
            step,
            program: program.clone(),
            options: &[],
            check,
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
                    let result = questions.try_for_each(|question| question.ask_inside(true));
                    result.map_err(|error| {
                        let mut failure = Failure::of(&error);
                        // What was left on the host may belong to another chapter.
                        failure.chapter.get_or_insert(taught);
                        Failed::from(failure)
                    })
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
        if question.ask_inside(false).is_err() {
            return Ok(());
        }
    }
    Err(format!("passes {what}, and should not"))
}

/// The promises of a kind that a step keeps, each with the step that teaches it.
fn kept(step: &Step, all: &'static [Promises]) -> impl Iterator<Item = (u8, &'static Check)> {
    let number = step.number;
    let kept = all.iter().filter(move |(steps, _)| steps.contains(&number));
    kept.flat_map(|(steps, checks)| checks.iter().map(|check| (*steps.start(), check)))
}

/// All that is asked: of our own step, or of another's program, there with the `exercises` or
/// without.
fn about(step: &'static Step, container: Option<&Path>, exercises: bool) -> Vec<Test> {
    let Some(program) = container else {
        return about_our_own(step);
    };
    let mut tests = about_a_step(step, program);
    if exercises {
        let exercises = course::exercises(step.number);
        tests.extend(exercises.flat_map(|it| about_an_exercise(step, program, it)));
    }
    tests
}

/// What the step and the steps before it promise: `lesson::NAME` and `dependable::NAME`.
fn about_a_step(step: &'static Step, program: &Path) -> Vec<Test> {
    let all = [
        ("lesson", lesson::ALL),
        ("lesson", lesson::OF_ANSWERS),
        ("dependable", dependable::ALL),
    ];
    let tests = all.into_iter().flat_map(|(kind, promises)| {
        kept(step, promises).map(move |(taught, check)| {
            let id = format!("{kind}::{}", check.name);
            Test::passes(taught, Question::new(step, program, id, check))
        })
    });
    tests.collect()
}

/// What an exercise asks for: `exercise::NAME::CHECK`. The project asks for what each of its
/// parts does, and for what the steps promise, too.
fn about_an_exercise(
    step: &'static Step,
    program: &Path,
    exercise: &course::Exercise,
) -> Vec<Test> {
    let prefix = format!("exercise::{}", exercise.name);
    let ask = |id: String, check| Question::new(step, program, id, check);
    let checks = exercise::checks(exercise).iter();
    let mut questions: Vec<Question> = checks
        .map(|check| ask(format!("{prefix}::{}", check.name), check))
        .collect();
    if exercise.is_project() {
        for part in course::EXERCISES {
            let Some(options) = part.part else { continue };
            questions.extend(exercise::checks(part).iter().map(|check| Question {
                options,
                ..ask(format!("{prefix}::{}::{}", part.name, check.name), check)
            }));
        }
        // Not as lessons: who asks for these, by that word, asks for those of the steps.
        let lessons = kept(step, lesson::ALL).chain(kept(step, lesson::OF_ANSWERS));
        let all = lessons.chain(kept(step, dependable::ALL));
        let all = all.filter(|(_, check)| !exercise.not_asked.contains(&check.name));
        questions
            .extend(all.map(|(_, check)| ask(format!("{prefix}::steps::{}", check.name), check)));
    }
    let tests = questions.into_iter();
    tests
        .map(|question| Test::passes(step.number, question))
        .collect()
}

/// Our step, and our answers to its exercises. An answer does what the exercise asks for, and
/// is as dependable as the step; and what is no answer fails: the step as it was, and each
/// wrong answer.
fn about_our_own(step: &'static Step) -> Vec<Test> {
    let program = Path::new(step.program);
    let mut tests = about_a_step(step, program);
    let own = kept(step, own::ALL).map(|(_, check)| check);
    for check in own.chain(step.own) {
        let id = format!("own::{}", check.name);
        tests.push(Test::passes(
            step.number,
            Question::new(step, program, id, check),
        ));
    }
    for (answer, options, checks) in step.answers {
        let path = exercise_of(answer).answer(program);
        tests.extend(checks.iter().map(|check| {
            let id = format!("own::{}_{}", answer.replace('-', "_"), check.name);
            let question = Question::new(step, &path, id, check);
            Test::passes(
                step.number,
                Question {
                    options,
                    ..question
                },
            )
        }));
    }
    for exercise in course::exercises(step.number) {
        let name = exercise.name;
        let answer = exercise.answer(program);
        tests.extend(about_an_exercise(step, &answer, exercise));
        if exercise.is_container && !exercise.is_project() {
            let promises = kept(step, lesson::OF_ANSWERS).chain(kept(step, dependable::ALL));
            let promises = promises.filter(|(_, check)| !exercise.not_asked.contains(&check.name));
            tests.extend(promises.map(|(_, check)| {
                let id = format!("answer::{name}::{}", check.name);
                Test::passes(step.number, Question::new(step, &answer, id, check))
            }));
        }
        let name = format!("bites::{name}::the_step_as_it_was");
        tests.push(Test::bites(
            step,
            program.to_path_buf(),
            name,
            exercise,
            None,
        ));
    }
    for (wrong, check) in step.wrong {
        let (name, check) = check.split_once("::").unwrap_or_default();
        let exercise = exercise_of(name);
        let path = program.with_file_name("examples").join(wrong);
        let name = format!("bites::{name}::{wrong}");
        tests.push(Test::bites(step, path, name, exercise, Some(check)));
    }
    tests
}

fn exercise_of(answer: &str) -> &'static course::Exercise {
    course::exercise(answer).expect("the exercise is in the catalogue")
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
    rootfs::make_once(scratch).context("make a root filesystem for the tests")
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
            // A test whose program is ended here has not failed: let it wait before it says so.
            let _silence = io::stdout().lock();
            clear_all();
            process::exit(128 + signal);
        }
    });
}
