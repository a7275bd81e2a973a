//! `progress` asks the suites and believes them. Most tests here give it suites that are made
//! up, by a cargo that is made up ([`fake`]), and so take no time; two ask the real ones, which
//! takes root, and the steps' programs, from `cargo build`. [`watch`] is about `--watch`.

mod fake;
mod watch;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake::{Fake, NO_ROOT, PROGRESS, Said, open_folder};

#[test]
fn each_lesson_belongs_to_the_first_suite_that_has_it() {
    let fake = Fake::new();
    let said = fake.ask();
    let mine = fake.path("mine");
    let expected = format!(
        "\
step01-run               –  nothing to ask
step02-exec     2 of 2   ✓
step03-uts      0 of 1   ✗  names

exercises
clean-env       1 of 1  ✓  net-ipc         1 of 2  ✗

Read next: book/src/step03-uts.md
           Step 3: a hostname of its own
The first failure in full:
  CONTAINER={} cargo test -p step03-uts names
",
        mine.display()
    );
    assert_eq!((&*said.stdout, &*said.stderr), (&*expected, ""));
    said.exits(1);
    let asked = fake.read("step02_exec.asked");
    assert_eq!(Path::new(asked.trim_end()), mine, "the whole path");
    let words = fake.read("step03_uts.words");
    let once = "--test-threads 4 --exact lesson::names\n";
    assert!(words.starts_with(once), "a lesson is asked once: {words}");
}

#[test]
fn after_the_steps_come_the_exercises_for_everyone() {
    let fake = Fake::new();
    // The first comes before the others, but is for those who want more.
    fake.fails("has_a_path has_lo has_ipc");
    let said = fake.ask();
    said.exits(0);
    said.shows("clean-env    not begun     net-ipc      not begun\n");
    said.shows("Do next: net-ipc, at the end of book/src/step03-uts.md\n");
    said.shows("cargo test -p step08-cgroup dependable\n");
}

#[test]
fn a_project_is_not_asked_along() {
    let fake = Fake::new();
    let exercises = "exercise::net-ipc::has_lo exercise::mydocker::part::does_it";
    fake.suite("step03_uts", exercises);
    let said = fake.ask();
    let row = "clean-env       1 of 1  ✓  net-ipc         1 of 1  ✓  mydocker     not asked\n";
    said.shows(row);
    said.shows("\nmydocker, a project, is asked by its name only: exercise::mydocker\n");
    said.shows("Do next: mydocker,");
    let words = fake.read("step03_uts.words");
    assert!(
        words.ends_with("--exact exercise::net-ipc::has_lo\n"),
        "{words}"
    );
}

#[test]
fn a_program_in_the_repository_goes_by_its_short_name() {
    let fake = Fake::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../foreign");
    let said = Said::by(fake.progress().current_dir(folder).arg("./container.sh"));
    said.shows("  CONTAINER=tests/foreign/container.sh cargo");
    fake.script("my own", "");
    let said = Said::by(fake.progress().arg("my own"));
    said.shows("/my own' cargo test");
}

#[test]
fn a_program_that_fails_at_once_is_quoted() {
    let fake = Fake::new();
    fake.fails("executes waits names has_lo has_ipc has_a_path");
    let why = "ran:      mine run echo\nexpected: exit status 0\nseen:     exit status 1
          standard error:
          | cannot find /no/such/folder
          | and more\nmore in:  step 2 of the book";
    fake.write("why", why);
    let advice = "No lesson passes: the program fails before it executes anything. It says:
  cannot find /no/such/folder
The first failure in full:\n";
    fake.ask().shows(advice).lacks("Read next");
}

#[test]
fn the_reason_of_a_failure_decides_the_page() {
    let fake = Fake::new();
    let why = "expected: the host as it was\nseen:     a mount\nmore in:  step 2 of the book";
    fake.write("why", why);
    let said = fake.ask();
    said.shows("Read next: book/src/step02-exec.md\n");
    said.shows("cargo test -p step03-uts names\n");
}

#[test]
fn what_cannot_be_asked_of_an_exercise_is_told() {
    let fake = Fake::new();
    fake.fails("has_ipc");
    fake.write("why", NO_ROOT);
    let said = fake.ask();
    said.shows("1 of 2  –\n–  What is left of it cannot be asked here.\n");
}

#[test]
fn without_root_it_says_so_and_blames_nobody() {
    let fake = Fake::new();
    let tests = "lesson::names lesson::mounts exercise::net-ipc::has_lo";
    fake.suite("step03_uts", tests);
    fake.fails("names mounts has_lo");
    fake.write("why", NO_ROOT);
    let said = fake.ask();
    said.shows("step03-uts      0 of 2   –  needs root\n");
    said.shows("net-ipc      not tried\n");
    said.shows(
        "\nThe tests from step 3 on need root. Be root yourself, or let cargo be root for\n",
    );
    said.lacks("✗").lacks("Read next");
    said.exits(1);
}

#[test]
fn without_cgroups_it_says_why() {
    let fake = Fake::new();
    let why = "make a cgroup for the program under test: Read-only file system";
    fake.write("why", &format!("no host:  {why}"));
    let said = fake.ask();
    said.shows("step03-uts      0 of 1   –  cannot be asked\n");
    said.shows(&format!("\n  {why}\n"));
}

#[test]
fn it_is_coloured_at_a_terminal_only() {
    let fake = Fake::new();
    let in_terminal = |variables: &str| {
        let line = format!("{variables} {PROGRESS} mine");
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null())
            .current_dir(fake.path(""))
            .env("CARGO", fake.path("cargo"));
        Said::by(&mut script)
    };
    in_terminal("env -u NO_COLOR TERM=xterm").shows("\x1b[32m✓\x1b[0m");
    for variables in ["env NO_COLOR=1 TERM=xterm", "env -u NO_COLOR TERM=dumb"] {
        in_terminal(variables).shows("✓").lacks("\x1b");
    }
}

/// The first test of its last suite fails, and the second never says a word.
fn hanging() -> Fake {
    let fake = Fake::new();
    fake.suite("step03_uts", "lesson::names lesson::mounts");
    fake.script("mine", "# fails: names\n# hangs: mounts");
    fake
}

#[test]
fn a_program_that_hangs_is_given_up() {
    let fake = hanging();
    let start = Instant::now();
    let said = fake.ask();
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(12), "{elapsed:?}");
    assert!(fake.has_ended_its_suite());
    said.shows("step02-exec     2 of 2   ✓\n");
    said.shows("step03-uts      0 of 2   ✗  names and 1 more\n");
    said.shows("\nNo exercise was tried").exits(1);
}

#[test]
fn no_answer_is_no_failure() {
    let fake = Fake::new();
    fake.suite("step03_uts", "lesson::names lesson::mounts");
    fake.fails("mounts");
    let why = "not asked: 3 tests have waited in vain for the program to go on or to end";
    fake.write("why", why);
    // A suite that ends without a word.
    fake.write("step04_child.tests", "");
    fake.script(
        "step04_child",
        "[ $1 != --list ] || echo lesson::sets: test",
    );
    let said = fake.ask();
    for row in [
        "step03-uts      1 of 2   …  no answer: mounts\n",
        "step04-child    0 of 1   …  no answer: sets\n",
        "\nNo exercise was tried, since a lesson has not ended.\n",
        "\nTo ask that alone:\n  CONTAINER=",
    ] {
        said.shows(row);
    }
    said.lacks("✗");
    said.exits(1);
}

#[test]
fn on_a_signal_it_ends_after_its_suites() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fake = hanging();
        let mut command = fake.progress();
        let child = command.arg("mine").stdout(Stdio::null()).spawn();
        let mut child = child.expect("execute progress");
        fake.wait_for_a_suite();
        let pid = i32::try_from(child.id()).expect("a PID fits into an i32");
        kill(Pid::from_raw(pid), signal).expect("send a signal");
        let status = child.wait().expect("wait for progress");
        let seen = status.code().or(status.signal().map(|number| 128 + number));
        assert_eq!(seen, Some(code));
        assert!(fake.has_ended_its_suite(), "{signal}");
    }
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    let fake = Fake::new();
    fake.write("text", "no program");
    let long = fake.path("no-such-program");
    for (args, complaint) in [
        (&[][..], "usage: progress PROGRAM"),
        (&["mine", "run"], "usage: progress PROGRAM"),
        (&["--colour"], "usage: progress PROGRAM"),
        (&[""], "no empty word"),
        (&["no-such-program"], "there is no program no-such-program"),
        (&[long.to_str().expect("text")], "there is no program /"),
        (&["."], ". is no program"),
        (&["text"], "text cannot be executed"),
        (&["--watch"], "usage: progress PROGRAM"),
        (&["--watch", "mine"], "needs a terminal on standard input"),
    ] {
        let said = Said::by(fake.progress().args(args));
        said.complains("error: ").complains(complaint).exits(125);
        assert_eq!(said.stdout, "");
    }
}

#[test]
fn it_helps_when_asked() {
    let said = Said::by(Command::new(PROGRESS).arg("--help"));
    said.shows("usage: progress PROGRAM\n").exits(0);
}

#[test]
fn a_full_disk_is_reported() {
    let full = File::create("/dev/full").expect("open /dev/full");
    let said = Said::by(Fake::new().progress().arg("mine").stdout(full));
    said.complains("No space left on device").exits(125);
}

#[test]
fn without_suites_it_says_what_is_missing() {
    let fake = Fake::new();
    for (cargo, complaint) in [
        ("exit 101", "the tests cannot be built"),
        (":", "cargo has built no tests"),
    ] {
        fake.script("cargo", cargo);
        fake.ask().complains(complaint).exits(125);
    }
    let said = Said::by(fake.progress().env("CARGO", "/no/cargo").arg("mine"));
    said.complains("execute cargo").complains("No such file");
}

#[test]
fn while_cargo_builds_the_user_is_told() {
    let fake = Fake::new();
    fake.write("cargo.first", "sleep 1.3");
    let said = fake.ask();
    said.complains("Building the tests").shows("step01-run");
}

#[test]
fn who_calls_sudo_owns_what_cargo_builds() {
    let fake = Fake::new();
    fake.write("user", "");
    fs::set_permissions(fake.path("user"), Permissions::from_mode(0o666)).expect("chmod");
    fake.write("cargo.first", "echo $(id -u) $(id -g) >\"${0%/*}/user\"");
    let mut command = fake.progress();
    command.env("SUDO_UID", "1234").env("SUDO_GID", "1235");
    Said::by(command.arg("mine")).exits(1);
    assert_eq!(fake.read("user"), "1234 1235\n");
}

/// Asks the real suites about the program of a step.
fn ask_for_real(prefix: &[&str], step: &str) -> Said {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let program = format!("target/debug/{step}");
    let words = [prefix, &[PROGRESS, &program]].concat();
    let temporary = open_folder(0o1777);
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .current_dir(top)
        .env("TMPDIR", temporary.path())
        // On a machine that is busy with other things, too, all has to be asked.
        .env("TEST_SLOWNESS", "4")
        .env_remove("CONTAINER");
    let said = Said::by(&mut command);
    said.exits(1);
    let mut left = fs::read_dir(temporary.path()).expect("list a folder");
    assert!(left.next().is_none(), "files left in {temporary:?}");
    for line in said.stdout.lines() {
        let is_command = line.starts_with("  ");
        assert!(line.chars().count() <= 80 || is_command, "too wide: {line}");
        assert!(!line.contains('\x1b'), "not plain: {line}");
    }
    said
}

#[test]
fn a_step_of_ours_has_learned_what_it_teaches() {
    let said = ask_for_real(&[], "step04-child");
    for row in [
        "step02-exec     5 of 5   ✓\n",
        "step03-uts      1 of 1   ✓\n",
        "step04-child    1 of 1   ✓\n",
        "step05-pid      0 of 1   ✗  numbers_its_processes_from_1\n",
        "named        not begun",
        "Read next: book/src/step05-pid.md\n",
        "  CONTAINER=target/debug/step04-child cargo test -p step05-pid numbers_its_processes_from_1\n",
    ] {
        said.shows(row);
    }
}

#[test]
fn a_suite_of_ours_says_that_it_needs_root() {
    let without_root = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let said = ask_for_real(&without_root, "step02-exec");
    said.shows("step02-exec     5 of 5   ✓\n");
    said.shows("step03-uts      0 of 1   –  needs root\n");
    said.shows("net-ipc      not tried");
}
