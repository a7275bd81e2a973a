//! `progress --watch` at a terminal. What its suites fail stands in the program itself, in a
//! line `# fails: NAMES`.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rexpect::process::PtyProcess;

use super::{Fake, HANGS, PROGRESS, has_ended_its_suite};

const FAILING: &str = r#"$(sed -n 's/^# fails: //p' "$CONTAINER")"#;

/// What it says when it has done all that it has to.
const WAITS: &str = "q quit";

fn fake() -> Fake {
    let fake = Fake::new();
    let why = "ran:      mine run hostname\nexpected: another name\nmore in:  step 3 of the book";
    let suites = [
        ("step02_exec", "lesson::executes"),
        ("step03_uts", "lesson::executes lesson::names_it"),
        (
            "step04_child",
            "lesson::executes lesson::names_it lesson::sets lesson::hides",
        ),
    ];
    for (name, tests) in suites {
        fake.suite_with(name, tests, FAILING, why, ":");
    }
    save(&fake, "names_it sets");
    fake
}

fn save(fake: &Fake, failing: &str) {
    fake.script("mine", &format!("# fails: {failing}\nexit 3"));
}

/// Something has gone wrong if it takes that long.
const LONG: Duration = Duration::from_secs(60);

/// What a program shows at its terminal.
struct Screen {
    process: PtyProcess,
    file: File,
    shown: Vec<u8>,
}

impl Screen {
    fn of(command: Command) -> Self {
        let process = PtyProcess::new(command).expect("start it in a terminal");
        let file = process.get_file_handle().expect("take the terminal");
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("read without waiting");
        Self {
            process,
            file,
            shown: Vec::new(),
        }
    }

    fn watch(fake: &Fake) -> Self {
        let mut command = fake.progress();
        command.args(["--watch", "mine"]).env("TERM", "dumb");
        Self::of(command)
    }

    /// Waits until it shows `part`, and returns all that it has shown since the last time.
    fn expect(&mut self, part: &str) -> String {
        let start = Instant::now();
        let end = loop {
            let mut places = self.shown.windows(part.len());
            if let Some(place) = places.position(|shown| shown == part.as_bytes()) {
                break place + part.len();
            }
            let mut bytes = [0; 4096];
            let seen = || String::from_utf8_lossy(&self.shown);
            match self.file.read(&mut bytes) {
                Ok(count) => {
                    let bytes = bytes[..count].iter().filter(|byte| **byte != b'\r');
                    self.shown.extend(bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let elapsed = start.elapsed();
                    assert!(elapsed < LONG, "no {part} in\n{}", seen());
                    thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("no {part} before the end ({error}) in\n{}", seen()),
            }
        };
        let shown = self.shown.drain(..end).collect();
        String::from_utf8(shown).expect("text")
    }

    /// Types a key, and returns what is shown then.
    fn press(&mut self, key: &str) -> String {
        self.file.write_all(key.as_bytes()).expect("type a key");
        self.expect(WAITS)
    }
}

/// Two seconds, on a machine like the author's.
fn soon() -> Duration {
    let factor = env::var("TEST_SLOWNESS").ok();
    Duration::from_secs(2) * factor.and_then(|it| it.parse().ok()).unwrap_or(1)
}

#[test]
fn a_save_is_seen_soon() {
    let fake = fake();
    let mut screen = Screen::watch(&fake);
    let step_3 = "step03-uts      0 of 1   ✗\n  ✗  names it\nNext: names it.\n";
    let shown = screen.expect(WAITS);
    let expected = format!("\nAsking mine.\nstep02-exec     1 of 1   ✓\n{step_3}");
    assert!(shown.starts_with(&expected), "{shown}");
    let asked = fake.path("deps/step02_exec-0123456789abcdef.asked");
    fs::remove_file(&asked).expect("forget that it was asked");
    save(&fake, "names_it");
    let start = Instant::now();
    let shown = screen.expect(step_3);
    assert!(start.elapsed() < soon(), "{:?}", start.elapsed());
    assert!(!shown.contains("step02") && !asked.exists(), "{shown}");
    screen.expect(WAITS);
    // The step passes, and the next is asked.
    save(&fake, "sets");
    let shown = screen.expect("Next: sets.\n");
    let expected = "step03-uts      1 of 1   ✓
step04-child    1 of 2   ✗\n  ✗  sets\n  ✓  hides\nNext: sets.\n";
    assert!(shown.ends_with(expected), "{shown}");
    screen.expect(WAITS);
    save(&fake, "");
    let shown = screen.expect(WAITS);
    assert!(shown.contains("All eight steps pass."), "{shown}");
}

#[test]
fn what_has_passed_has_to_pass_still() {
    let fake = fake();
    save(&fake, "sets");
    let mut screen = Screen::watch(&fake);
    screen.expect(WAITS);
    save(&fake, "names_it");
    let shown = screen.expect(WAITS);
    let expected = "step04-child    2 of 2   ✓\nBut a step before does not pass any more:
step03-uts      0 of 1   ✗\n";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn keys_move_on_and_back_and_help() {
    let fake = fake();
    let mut screen = Screen::watch(&fake);
    screen.expect(WAITS);
    let shown = screen.press("n");
    assert!(
        shown.contains("step04-child    1 of 2   ✗\n") && !shown.contains("step03"),
        "{shown}"
    );
    let shown = screen.press("n");
    assert!(shown.contains("step04-child"), "it is the last: {shown}");
    // Not a key.
    let shown = screen.press("xp");
    assert!(shown.contains("step03-uts"), "{shown}");
    let shown = screen.press("p");
    assert!(
        shown.contains("step02-exec     1 of 1   ✓\n") && !shown.contains("step03"),
        "a step that passes stays when it is asked for: {shown}"
    );
    let shown = screen.press("nh");
    assert!(shown.contains("step03-uts"), "{shown}");
    let shown = screen.expect(WAITS);
    for line in [
        "Read next: book/src/step03-uts.md\n           Step 3: a hostname of its own\n",
        "mine cargo test -p step03-uts names_it\n",
        "\nexpected: another name\n",
    ] {
        assert!(shown.contains(line), "no {line} in\n{shown}");
    }
}

#[test]
fn it_leaves_the_terminal_as_it_was() {
    let fake = fake();
    for (key, status) in [("q", 0), ("\x03", 130), ("", 143)] {
        let script = "stty echo; trap : INT; echo before $(stty -g).
            sh -c 'echo pid $$.; exec \"$0\" --watch mine' \"$0\"
            echo status $?. after $(stty -g).";
        let mut shell = Command::new("bash");
        shell
            .args(["-c", script, PROGRESS])
            .current_dir(fake.folder.path())
            .env("CARGO", fake.path("cargo"));
        let mut screen = Screen::of(shell);
        screen.expect("before ");
        let before = screen.expect(".");
        screen.expect("pid ");
        let pid = screen.expect(".");
        screen.expect(WAITS);
        match key {
            "" => kill(
                Pid::from_raw(pid.trim_end_matches('.').parse().expect("a PID")),
                Signal::SIGTERM,
            )
            .expect("send a signal"),
            _ => screen.file.write_all(key.as_bytes()).expect("type a key"),
        }
        screen.expect(&format!("status {status}. after "));
        assert_eq!(screen.expect("."), before, "{status}");
    }
}

#[test]
fn what_hangs_is_given_up_and_can_be_left_before() {
    let fake = fake();
    let hangs = HANGS.replace("trap", "[[ $failures ]] || exit 0\ntrap");
    fake.suite_with("step03_uts", "lesson::names_it", FAILING, "why", &hangs);
    let start = Instant::now();
    let mut screen = Screen::watch(&fake);
    // Two seconds for all but the time that a suite has.
    let shown = screen.expect(WAITS);
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(9) + soon(), "{elapsed:?}");
    assert!(has_ended_its_suite(&fake));
    assert!(shown.contains("step03-uts      0 of 1   "), "{shown}");
    let marks = ["ended", "started"];
    let marks = marks.map(|it| fake.path(&format!("deps/step03_uts-0123456789abcdef.{it}")));
    marks
        .iter()
        .for_each(|mark| fs::remove_file(mark).expect("remove a mark"));
    save(&fake, "names_it");
    screen.expect("Asking mine.");
    let start = Instant::now();
    while !marks[1].exists() {
        assert!(start.elapsed() < LONG, "not asked again");
        thread::sleep(Duration::from_millis(5));
    }
    let start = Instant::now();
    screen.file.write_all(b"q").expect("type a key");
    screen.process.wait().expect("wait for progress");
    assert!(start.elapsed() < soon(), "{:?}", start.elapsed());
    assert!(has_ended_its_suite(&fake));
}

#[test]
fn no_answer_and_no_root_are_told_as_ever() {
    let fake = fake();
    fake.suite_with("step03_uts", "lesson::names_it", FAILING, "why", "exit 1");
    let script = fake.read("deps/step03_uts-0123456789abcdef");
    let script = script.replace("echo \"test $test   ... FAILED\"", ":");
    fake.script("deps/step03_uts-0123456789abcdef", &script);
    let mut screen = Screen::watch(&fake);
    let shown = screen.expect(WAITS);
    assert!(shown.contains("…  No answer: the time was over"), "{shown}");
    let why = "no root:  this test needs root: be root\nmore in:  step 3 of the book";
    fake.suite_with("step03_uts", "lesson::names_it", FAILING, why, ":");
    save(&fake, "names_it");
    let shown = screen.expect(WAITS);
    assert!(
        shown.contains("  –  names it\n\nThe tests from step 3 on need root."),
        "{shown}"
    );
}

/// The package `mine` is a folder that lies over ours, where only this `progress` sees it.
#[test]
fn the_package_mine_is_built_at_a_save() {
    let fake = fake();
    let cargo = fake.read("cargo");
    let build = r#"
        if [ "$1" = build ]; then
            echo "$*" >"${0%/*}/built"
            if grep broken mine/src/main.rs; then
                echo "error[E0425]: cannot find value" >&2
                exit 101
            fi
            kind=bin name=mine path=${0%/*}/mine
            echo '{"target":{"kind":["'$kind'"],"name":"'$name'"},"executable":"'$path'"}'
            exit
        fi"#;
    fake.script("cargo", &format!("{build}\n{cargo}"));
    fs::create_dir(fake.path("package")).expect("make a folder");
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let script = "mount --bind \"$0\" mine && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "bash", "-c", script])
        .arg(fake.path("package"))
        .args([PROGRESS, "--watch", "target/debug/mine"])
        .current_dir(top.canonicalize().expect("the repository"))
        .env("CARGO", fake.path("cargo"))
        .env("TERM", "dumb");
    let mut screen = Screen::of(command);
    let shown = screen.expect(WAITS);
    assert!(
        shown.contains("mine has no program yet.")
            && shown.contains("\n  cp -ri step02-exec/src mine/\n"),
        "{shown}"
    );
    fs::create_dir(fake.path("package/src")).expect("make a folder");
    let write = |text| fs::write(fake.path("package/src/main.rs"), text).expect("write a file");
    write("fn main() { broken }");
    let shown = screen.expect(WAITS);
    assert!(shown.contains("error[E0425]"), "{shown}");
    assert!(shown.contains("It cannot be built:"), "{shown}");
    // No program that was there before is asked instead.
    assert!(!shown.contains("step0"), "{shown}");
    write("fn main() {}");
    let shown = screen.expect(WAITS);
    assert!(shown.contains("\nBuilding mine.\nstep02-exec"), "{shown}");
    assert!(shown.contains("Next: names it."), "{shown}");
    assert!(
        fake.read("built")
            .starts_with("build --package mine --bin mine")
    );
    // What an editor leaves beside it is no save.
    fs::remove_file(fake.path("built")).expect("forget the build");
    fs::write(fake.path("package/src/.main.rs.swp"), "").expect("write a file");
    thread::sleep(Duration::from_millis(500));
    assert!(!fake.path("built").exists());
}
