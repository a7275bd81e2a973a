//! A cargo that is made up, the suites that it has built, and a program to ask about.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub const PROGRESS: &str = env!("CARGO_BIN_EXE_progress");

/// Why nothing can be asked of a program.
pub const NO_ROOT: &str = "no root:  this test needs root: be root\nmore in:  step 3 of the book";

/// A folder with all of that in it: `cargo`, `mine`, and a suite with the name of each step.
pub struct Fake(TempDir);

impl Fake {
    /// Suites for which a program has learned the first two steps.
    pub fn new() -> Self {
        let fake = Self(open_folder(0o755));
        fake.script("cargo", include_str!("fake_cargo.sh"));
        fake.write("why", "expected: better");
        fake.fails("names has_ipc");
        let step_2 = "lesson::executes lesson::waits";
        let net_ipc = "exercise::net-ipc::has_lo exercise::net-ipc::has_ipc";
        fake.suite("step01_run", "dependable::helps");
        fake.suite(
            "step02_exec",
            &format!("{step_2} exercise::clean-env::has_a_path"),
        );
        fake.suite("step03_uts", &format!("{step_2} lesson::names {net_ipc}"));
        fake
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read a file")
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("write a file");
    }

    /// Makes a script. A process does that whose open files no other test can inherit: what
    /// is open for writing cannot be executed.
    pub fn script(&self, name: &str, text: &str) {
        let mut shell = Command::new("sh")
            .args([
                "-c",
                "cat >\"$0.new\" && chmod 755 \"$0.new\" && mv \"$0.new\" \"$0\"",
            ])
            .arg(self.path(name))
            .stdin(Stdio::piped())
            .spawn()
            .expect("execute sh");
        let mut stdin = shell.stdin.take().expect("its standard input");
        write!(stdin, "#!/bin/bash\n{text}\n").expect("write a script");
        drop(stdin);
        assert!(shell.wait().expect("wait for sh").success());
    }

    /// Makes a suite with these tests.
    pub fn suite(&self, name: &str, tests: &str) {
        self.write(&format!("{name}.tests"), tests);
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/progress/fake_suite.sh");
        // Another with this name does the same.
        symlink(suite, self.path(name)).ok();
    }

    /// Makes the program one that fails these tests.
    pub fn fails(&self, names: &str) {
        self.script("mine", &format!("# fails: {names}"));
    }

    pub fn progress(&self) -> Command {
        let mut command = Command::new(PROGRESS);
        command
            .current_dir(self.0.path())
            .env("CARGO", self.path("cargo"))
            .env_remove("NO_COLOR")
            .env_remove("TEST_SLOWNESS");
        command
    }

    pub fn ask(&self) -> Said {
        Said::by(self.progress().arg("mine"))
    }

    /// Waits until the suite that hangs has started, and forgets it.
    pub fn wait_for_a_suite(&self) {
        let start = Instant::now();
        while fs::remove_file(self.path("step03_uts.started")).is_err() {
            let elapsed = start.elapsed();
            assert!(elapsed < Duration::from_secs(60), "no suite has started");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the suite that hangs has cleaned up.
    pub fn has_ended_its_suite(&self) -> bool {
        fs::remove_file(self.path("step03_uts.ended")).is_ok()
    }
}

/// A temporary folder with a mode.
pub fn open_folder(mode: u32) -> TempDir {
    let folder = tempfile::tempdir().expect("make a temporary folder");
    let mode = Permissions::from_mode(mode);
    fs::set_permissions(folder.path(), mode).expect("let every user into it");
    folder
}

/// What `progress` has said.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    code: Option<i32>,
}

impl Said {
    pub fn by(command: &mut Command) -> Self {
        let output = command.output().expect("execute progress");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self {
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn shows(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "no {text} in\n{}", self.stdout);
        self
    }

    #[track_caller]
    pub fn lacks(&self, text: &str) -> &Self {
        assert!(!self.stdout.contains(text), "{text} in\n{}", self.stdout);
        self
    }

    #[track_caller]
    pub fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text} in\n{}", self.stderr);
        self
    }
}
