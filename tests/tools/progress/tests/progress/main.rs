//! `progress` asks the suites and believes them. Most tests here give it suites that are made
//! up, by a cargo that is made up, and so take no time; two ask the real ones, which takes
//! root, and the steps' programs, from `cargo build`. [`watch`] is about `--watch`.

mod watch;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const PROGRESS: &str = env!("CARGO_BIN_EXE_progress");

/// A folder with a program to ask about, a cargo, and the suites that it has built.
struct Fake {
    folder: TempDir,
}

impl Fake {
    /// Suites for which a program has learned the first two steps.
    fn new() -> Self {
        let fake = Self {
            folder: tempfile::tempdir().expect("make a temporary folder"),
        };
        fs::set_permissions(fake.folder.path(), fs::Permissions::from_mode(0o755))
            .expect("let every user into it");
        fs::create_dir(fake.path("deps")).expect("make a folder");
        fake.script("mine", "exit 3");
        // It tells of the suites in no order, and of other programs, too.
        let artifact = r#"{"reason":"compiler-artifact","target":{"kind":["%s"],"name":"%s"},"executable":"%s","fresh":true}\n"#;
        fake.script(
            "cargo",
            &format!(
                r#"
                printf '{artifact}' bin step02-exec "${{0%/*}}/step02-exec"
                for suite in $(ls -r "${{0%/*}}"/deps/*-0123456789abcdef); do
                    name=${{suite##*/}}
                    printf '{artifact}' test "${{name%-*}}" "$suite"
                done"#
            ),
        );
        let step_2 = "lesson::executes lesson::waits";
        let net_ipc = "exercise::net-ipc::has_lo exercise::net-ipc::has_ipc";
        fake.suite("step01_run", "dependable::helps", "");
        let tests = format!("{step_2} exercise::clean-env::has_a_path");
        fake.suite("step02_exec", &tests, "");
        let tests = format!("{step_2} lesson::names {net_ipc}");
        fake.suite("step03_uts", &tests, "names has_ipc");
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read a file")
    }

    /// Makes a script. A process does that whose open files no other test can inherit: what
    /// is open for writing cannot be executed.
    fn script(&self, name: &str, text: &str) {
        let mut shell = Command::new("sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(self.path(name))
            .stdin(Stdio::piped())
            .spawn()
            .expect("execute sh");
        let mut stdin = shell.stdin.take().expect("its standard input");
        write!(stdin, "#!/bin/bash\n{text}\n").expect("write a script");
        drop(stdin);
        assert!(shell.wait().expect("wait for sh").success());
    }

    /// Makes a suite with these tests, of which some fail.
    fn suite(&self, name: &str, tests: &str, failing: &str) {
        self.suite_with(name, tests, failing, "expected: better", ":");
    }

    /// Makes a suite that says why its tests fail, and does something before it ends.
    fn suite_with(&self, name: &str, tests: &str, failing: &str, why: &str, last: &str) {
        let text = format!(
            r#"
            if [ "$1" = --list ]; then
                for test in {tests}; do
                    [[ $test != *"$2"* ]] || echo "$test: test"
                done
                exit
            fi
            echo "$CONTAINER" >"$0.asked"
            echo "$*" >>"$0.words"
            for test in {tests}; do
                [[ $test == "$1"* && " $* " != *" --skip $test "* && " $* " != *" --skip ${{test%%::part*}}:: "* ]] || continue
                if [[ " {failing} " == *" ${{test##*:}} "* ]]; then
                    echo "test $test   ... FAILED"
                    failures+="---- $test ----
{why}

"
                else
                    echo "test $test   ... ok"
                fi
            done
            {last}
            [ -z "$failures" ] || printf '\nfailures:\n\n%s' "$failures"
            echo "test x ... of what is printed here, nothing counts"
            "#
        );
        self.script(&format!("deps/{name}-0123456789abcdef"), &text);
    }

    fn progress(&self) -> Command {
        let mut command = Command::new(PROGRESS);
        command
            .current_dir(self.folder.path())
            .env("CARGO", self.path("cargo"))
            .env_remove("NO_COLOR")
            .env_remove("TEST_SLOWNESS");
        command
    }

    fn ask(&self) -> Said {
        Said::by(self.progress().arg("mine"))
    }
}

/// What `progress` has said.
struct Said {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl Said {
    fn by(command: &mut Command) -> Self {
        let output = command.output().expect("execute progress");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self {
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            code: output.status.code(),
        }
    }

    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn shows(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "no {text} in\n{}", self.stdout);
        self
    }

    #[track_caller]
    fn lacks(&self, text: &str) -> &Self {
        assert!(!self.stdout.contains(text), "{text} in\n{}", self.stdout);
        self
    }

    #[track_caller]
    fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text} in\n{}", self.stderr);
        self
    }
}

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
    let asked = fake.read("deps/step02_exec-0123456789abcdef.asked");
    assert_eq!(Path::new(asked.trim_end()), mine, "the whole path");
    let words = fake.read("deps/step03_uts-0123456789abcdef.words");
    let skipped = "--skip lesson::executes --skip lesson::waits\n";
    assert!(words.contains(skipped), "a lesson is asked once: {words}");
}

#[test]
fn after_the_steps_come_the_exercises_for_everyone() {
    let fake = Fake::new();
    fake.suite(
        "step03_uts",
        "lesson::names exercise::net-ipc::has_lo",
        "has_lo",
    );
    // This one comes first, but is for those who want more.
    fake.suite(
        "step02_exec",
        "lesson::executes exercise::clean-env::has_a_path",
        "has_a_path",
    );
    let said = fake.ask();
    said.exits(0);
    said.shows("clean-env    not begun     net-ipc      not begun\n");
    said.shows("Do next: net-ipc, at the end of book/src/step03-uts.md\n");
    said.shows("cargo test -p step08-cgroup dependable\n");
}

#[test]
fn a_project_is_not_asked_along() {
    let fake = Fake::new();
    let net_ipc = "exercise::net-ipc::has_lo";
    let tests = format!("lesson::names {net_ipc} exercise::mydocker::part::does_it");
    fake.suite("step03_uts", &tests, "");
    let said = fake.ask();
    let row = "clean-env       1 of 1  ✓  net-ipc         1 of 1  ✓  mydocker     not asked\n";
    said.shows(row);
    said.shows("\nmydocker, a project, is asked by its name only: exercise::mydocker\n");
    said.shows("Do next: mydocker,");
    let words = fake.read("deps/step03_uts-0123456789abcdef.words");
    assert!(words.ends_with(" --skip exercise::mydocker::\n"), "{words}");
}

#[test]
fn a_program_in_the_repository_goes_by_its_short_name() {
    let fake = Fake::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../foreign");
    let said = Said::by(fake.progress().current_dir(folder).arg("./container.sh"));
    said.shows("  CONTAINER=tests/foreign/container.sh cargo");
    fake.script("my own", "exit 3");
    let said = Said::by(fake.progress().arg("my own"));
    said.shows("/my own' cargo test");
}

#[test]
fn a_program_that_fails_at_once_is_quoted() {
    let fake = Fake::new();
    let why = "ran:      mine run echo\nexpected: exit status 0\nseen:     exit status 1
          standard error:
          | cannot find /no/such/folder
          | and more\nmore in:  step 2 of the book";
    let all = "executes waits names has_lo has_ipc has_a_path";
    fake.suite_with(
        "step02_exec",
        "lesson::executes lesson::waits",
        all,
        why,
        ":",
    );
    let tests = "lesson::executes lesson::waits lesson::names";
    fake.suite_with("step03_uts", tests, all, why, ":");
    let said = fake.ask();
    let advice = "No lesson passes: the program fails before it executes anything. It says:
  cannot find /no/such/folder
The first failure in full:\n";
    said.shows(advice);
    said.lacks("Read next");
}

#[test]
fn the_reason_of_a_failure_decides_the_page() {
    let fake = Fake::new();
    let why = "expected: the host as it was\nseen:     a mount\nmore in:  step 2 of the book";
    fake.suite_with("step03_uts", "lesson::names", "names", why, ":");
    let said = fake.ask();
    said.shows("Read next: book/src/step02-exec.md\n");
    said.shows("cargo test -p step03-uts names\n");
}

#[test]
fn what_cannot_be_asked_of_an_exercise_is_told() {
    let fake = Fake::new();
    let why = "no root:  this test needs root: be root\nmore in:  step 3 of the book";
    let tests = "lesson::names exercise::net-ipc::has_lo exercise::net-ipc::has_ipc";
    fake.suite_with("step03_uts", tests, "has_ipc", why, ":");
    let said = fake.ask();
    said.shows("1 of 2  –\n–  What is left of it cannot be asked here.\n");
}

#[test]
fn without_root_it_says_so_and_blames_nobody() {
    let fake = Fake::new();
    let why = "no root:  this test needs root: be root\nmore in:  step 3 of the book";
    let tests = "lesson::names lesson::mounts exercise::net-ipc::has_lo";
    fake.suite_with("step03_uts", tests, "names mounts has_lo", why, ":");
    let said = fake.ask();
    said.shows("step03-uts      0 of 2   –  needs root\n");
    said.shows("net-ipc      not tried\n");
    said.shows("\nThe tests from step 3 on need root.");
    said.lacks("✗").lacks("Read next");
    said.exits(1);
}

#[test]
fn without_cgroups_it_says_why() {
    let fake = Fake::new();
    let why = "make a cgroup for the program under test: Read-only file system";
    let report = format!("no host:  {why}");
    fake.suite_with("step03_uts", "lesson::names", "names", &report, ":");
    let said = fake.ask();
    said.shows(
        "step03-uts      0 of 1   –  cannot be asked
",
    );
    said.shows(&format!(
        "
  {why}
"
    ));
}

#[test]
fn it_is_coloured_at_a_terminal_only() {
    let fake = Fake::new();
    let in_terminal = |variables: &str| {
        let line = format!("{variables} {PROGRESS} mine");
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null());
        script
            .current_dir(fake.folder.path())
            .env("CARGO", fake.path("cargo"));
        Said::by(&mut script).stdout
    };
    let coloured = in_terminal("env -u NO_COLOR TERM=xterm");
    assert!(coloured.contains("\x1b[32m✓\x1b[0m"), "{coloured}");
    for variables in ["env NO_COLOR=1 TERM=xterm", "env -u NO_COLOR TERM=dumb"] {
        let plain = in_terminal(variables);
        assert!(
            plain.contains('✓') && !plain.contains('\x1b'),
            "{variables}: {plain}"
        );
    }
}

/// What a suite does with SIGTERM: it cleans up, and only then it ends.
const HANGS: &str = r#"
    trap 'kill $!; sleep 0.3; touch "$0.ended"; exit' TERM
    touch "$0.started"
    sleep 1000 &
    wait
"#;

fn hanging() -> Fake {
    let fake = Fake::new();
    fake.suite_with(
        "step03_uts",
        "lesson::names lesson::mounts",
        "names",
        "",
        HANGS,
    );
    // The second test of this suite never says a word.
    let path = "deps/step03_uts-0123456789abcdef";
    let text = fake.read(path);
    let (list, asked) = text
        .rsplit_once("lesson::mounts")
        .expect("two lists of tests");
    let text = format!("{list}{asked}");
    fake.script(path, &text);
    fake
}

fn has_ended_its_suite(fake: &Fake) -> bool {
    fake.path("deps/step03_uts-0123456789abcdef.ended").exists()
}

#[test]
fn a_program_that_hangs_is_given_up() {
    let fake = hanging();
    let start = Instant::now();
    let said = fake.ask();
    assert!(
        start.elapsed() < Duration::from_secs(12),
        "{:?}",
        start.elapsed()
    );
    assert!(has_ended_its_suite(&fake));
    said.shows("step02-exec     2 of 2   ✓\n");
    said.shows("step03-uts      0 of 2   ✗  names and 1 more\n");
    said.shows("\nNo exercise was tried").exits(1);
}

#[test]
fn no_answer_is_no_failure() {
    let fake = Fake::new();
    let tests = "lesson::names lesson::mounts";
    let why = "not asked: 3 tests have waited in vain for the program to go on or to end";
    fake.suite_with("step03_uts", tests, "mounts", why, ":");
    // A suite that ends without a word.
    fake.script(
        "deps/step04_child-0123456789abcdef",
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

fn start_hanging(fake: &Fake) -> Child {
    let mut command = fake.progress();
    let child = command
        .arg("mine")
        .stdout(Stdio::null())
        .spawn()
        .expect("execute progress");
    let start = Instant::now();
    while !fake
        .path("deps/step03_uts-0123456789abcdef.started")
        .exists()
    {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no suite has started"
        );
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn on_a_signal_it_ends_after_its_suites() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fake = hanging();
        let mut child = start_hanging(&fake);
        let pid = i32::try_from(child.id()).expect("a PID fits into an i32");
        kill(Pid::from_raw(pid), signal).expect("send a signal");
        let status = child.wait().expect("wait for progress");
        let seen = status.code().or(status.signal().map(|number| 128 + number));
        assert_eq!(seen, Some(code));
        assert!(has_ended_its_suite(&fake), "{signal}");
    }
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    let fake = Fake::new();
    fs::write(fake.path("text"), "no program").expect("write a file");
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
        let said = fake.ask();
        said.complains(complaint).exits(125);
    }
    let said = Said::by(fake.progress().env("CARGO", "/no/cargo").arg("mine"));
    said.complains("execute cargo").complains("No such file");
}

#[test]
fn while_cargo_builds_the_user_is_told() {
    let fake = Fake::new();
    let cargo = fake.read("cargo");
    fake.script("cargo", &format!("sleep 1.3\n{cargo}"));
    let said = fake.ask();
    said.complains("Building the tests").shows("step01-run");
}

#[test]
fn who_calls_sudo_owns_what_cargo_builds() {
    let fake = Fake::new();
    let cargo = fake.read("cargo");
    fs::write(fake.path("user"), "").expect("write a file");
    fs::set_permissions(fake.path("user"), fs::Permissions::from_mode(0o666)).expect("chmod");
    fake.script(
        "cargo",
        &format!("echo $(id -u) $(id -g) >\"${{0%/*}}/user\"\n{cargo}"),
    );
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
    let temporary = tempfile::tempdir().expect("make a temporary folder");
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o1777))
        .expect("let every user into it");
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
    let left = fs::read_dir(temporary.path()).expect("list a folder");
    assert_eq!(
        left.count(),
        0,
        "files left in {}",
        temporary.path().display()
    );
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
