//! `progress --watch` at a terminal.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rexpect::session::{PtySession, spawn_command};

use crate::fake::{Fake, NO_ROOT, PROGRESS};

/// What it says when it has done all that it has to.
const WAITS: &str = "q quit";

fn fake() -> Fake {
    let fake = Fake::new();
    fake.suite("step02_exec", "lesson::executes");
    fake.suite("step03_uts", "lesson::executes lesson::names_it");
    let tests = "lesson::executes lesson::names_it lesson::sets lesson::hides";
    fake.suite("step04_child", tests);
    let why = "ran:      mine run hostname\nexpected: another name\nmore in:  step 3 of the book";
    fake.write("why", why);
    fake.fails("names_it sets");
    fake
}

/// What a program shows at its terminal.
struct Screen(PtySession);

impl Screen {
    fn of(command: Command) -> Self {
        // Something has gone wrong if it takes a minute.
        Self(spawn_command(command, Some(60_000)).expect("start it in a terminal"))
    }

    fn watch(fake: &Fake) -> Self {
        let mut command = fake.progress();
        command.args(["--watch", "mine"]).env("TERM", "dumb");
        Self::of(command)
    }

    /// Waits until it shows `part`, and returns all that it has shown since the last time.
    #[track_caller]
    fn expect(&mut self, part: &str) -> String {
        // rexpect takes each byte for a letter.
        let lines = part.replace('\n', "\r\n");
        let letters: String = lines.bytes().map(char::from).collect();
        let shown = self.0.exp_string(&letters);
        let shown = shown.unwrap_or_else(|error| panic!("{error}"));
        let bytes = shown.chars().map(|letter| letter as u8).collect();
        String::from_utf8(bytes).expect("text").replace('\r', "") + part
    }

    fn type_key(&mut self, key: &str) {
        self.0.send(key).expect("type a key");
        self.0.flush().expect("type a key");
    }

    /// Types a key, and returns what is shown then.
    fn press(&mut self, key: &str) -> String {
        self.type_key(key);
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
    let asked = fake.path("step02_exec.asked");
    fs::remove_file(&asked).expect("forget that it was asked");
    fake.fails("names_it");
    let start = Instant::now();
    let shown = screen.expect(step_3);
    assert!(start.elapsed() < soon(), "{:?}", start.elapsed());
    assert!(!shown.contains("step02") && !asked.exists(), "{shown}");
    screen.expect(WAITS);
    // The step passes, and the next is asked.
    fake.fails("sets");
    let shown = screen.expect("Next: sets.\n");
    let expected = "step03-uts      1 of 1   ✓
step04-child    1 of 2   ✗\n  ✗  sets\n  ✓  hides\nNext: sets.\n";
    assert!(shown.ends_with(expected), "{shown}");
    screen.expect(WAITS);
    fake.fails("");
    let shown = screen.expect(WAITS);
    assert!(shown.contains("All eight steps pass."), "{shown}");
}

#[test]
fn what_has_passed_has_to_pass_still() {
    let fake = fake();
    fake.fails("sets");
    let mut screen = Screen::watch(&fake);
    screen.expect(WAITS);
    fake.fails("names_it");
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
            .current_dir(fake.path(""))
            .env("CARGO", fake.path("cargo"));
        let mut screen = Screen::of(shell);
        screen.expect("before ");
        let before = screen.expect(".");
        screen.expect("pid ");
        let pid = screen.expect(".");
        screen.expect(WAITS);
        if key.is_empty() {
            let pid = pid.trim_end_matches('.').parse().expect("a PID");
            kill(Pid::from_raw(pid), Signal::SIGTERM).expect("send a signal");
        }
        screen.type_key(key);
        screen.expect(&format!("status {status}. after "));
        assert_eq!(screen.expect("."), before, "{status}");
    }
}

#[test]
fn what_hangs_is_given_up_and_can_be_left_before() {
    let fake = fake();
    fake.script("mine", "# hangs: names_it");
    let start = Instant::now();
    let mut screen = Screen::watch(&fake);
    // Two seconds for all but the time that a suite has.
    let shown = screen.expect(WAITS);
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(9) + soon(), "{elapsed:?}");
    assert!(fake.has_ended_its_suite());
    assert!(shown.contains("step03-uts      0 of 1   "), "{shown}");
    fake.wait_for_a_suite();
    fake.script("mine", "# hangs: names_it");
    fake.wait_for_a_suite();
    let start = Instant::now();
    screen.type_key("q");
    screen.0.process().wait().expect("wait for progress");
    assert!(start.elapsed() < soon(), "{:?}", start.elapsed());
    assert!(fake.has_ended_its_suite());
}

#[test]
fn no_answer_and_no_root_are_told_as_ever() {
    let fake = fake();
    fs::remove_file(fake.path("step03_uts")).expect("remove a suite");
    let without_a_word = "[ $1 != --list ] || echo lesson::names_it: test";
    fake.script("step03_uts", without_a_word);
    let mut screen = Screen::watch(&fake);
    let shown = screen.expect(WAITS);
    assert!(shown.contains("…  No answer: the time was over"), "{shown}");
    fs::remove_file(fake.path("step03_uts")).expect("remove a suite");
    fake.suite("step03_uts", "lesson::names_it");
    fake.write("why", NO_ROOT);
    fake.fails("names_it");
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
    let build = r#"
        if [ "$1" = build ]; then
            echo "$*" >"${0%/*}/built"
            if grep broken mine/src/main.rs; then
                echo "error[E0425]: cannot find value" >&2
                exit 101
            fi
            tell bin mine "${0%/*}/mine"
            exit
        fi"#;
    fake.write("cargo.first", build);
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
    fake.write("package/src/main.rs", "fn main() { broken }");
    let shown = screen.expect(WAITS);
    assert!(shown.contains("error[E0425]"), "{shown}");
    assert!(shown.contains("It cannot be built:"), "{shown}");
    // No program that was there before is asked instead.
    assert!(!shown.contains("step0"), "{shown}");
    fake.write("package/src/main.rs", "fn main() {}");
    let shown = screen.expect(WAITS);
    assert!(shown.contains("\nBuilding mine.\nstep02-exec"), "{shown}");
    assert!(shown.contains("Next: names it."), "{shown}");
    assert!(
        fake.read("built")
            .starts_with("build --package mine --bin mine")
    );
    // What an editor leaves beside it is no save.
    fs::remove_file(fake.path("built")).expect("forget the build");
    fake.write("package/src/.main.rs.swp", "");
    thread::sleep(Duration::from_millis(500));
    assert!(!fake.path("built").exists());
}
