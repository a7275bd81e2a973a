//! What /proc says of processes that are started here.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use kernelfiles::process as seen;

/// A program that waits for its input to end, and is then ended.
struct Waiting(Child);

impl Waiting {
    fn start(command: &mut Command) -> Self {
        Self(
            command
                .stdin(Stdio::piped())
                .spawn()
                .expect("start a program"),
        )
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

fn wait_until(holds: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("waited in vain");
}

#[test]
fn any_name_and_any_word_is_read_as_it_is() {
    let folder = tempfile::tempdir().expect("make a temporary folder");
    for name in ["a b", ") S (c) R 1", "State:\tZ"] {
        let path = folder.path().join(name);
        symlink("/bin/sh", &path).expect("make a link");
        let words = [
            OsStr::from_bytes(b"\xff\n"),
            OsStr::new(""),
            OsStr::new("- "),
        ];
        let sh = Waiting::start(Command::new(&path).args(["-c", "read line"]).args(words));
        let pid = sh.pid();
        wait_until(|| {
            seen::stat(pid).is_ok_and(|stat| stat.name() == name && stat.field(3) == "S")
        });
        let argv: Vec<OsString> = [path.as_os_str(), OsStr::new("-c"), OsStr::new("read line")]
            .into_iter()
            .chain(words)
            .map(OsStr::to_owned)
            .collect();
        assert_eq!(seen::argv(pid), argv);
        assert_eq!(
            seen::stat(pid).expect("read stat").field(4),
            process::id().to_string()
        );
        assert_eq!(
            seen::parent(pid).expect("find the parent"),
            process::id() as i32
        );
        assert_eq!(seen::state(pid).expect("read the state"), 'S');
        assert!(!seen::is_zombie(pid));
        assert_eq!(
            seen::pids(pid).expect("read NSpid").first(),
            Some(&(pid as i32))
        );
        assert!(seen::all().any(|found| found == pid as i32));
    }
}

#[test]
fn a_process_that_has_ended_is_a_zombie_and_then_gone() {
    let mut child = Command::new("true").spawn().expect("execute true");
    let pid = child.id();
    wait_until(|| seen::is_zombie(pid));
    assert_eq!(seen::argv(pid), Vec::<OsString>::new());
    child.wait().expect("wait for true");
    let error = seen::parent(pid).expect_err("it is gone");
    assert!(format!("{error:#}").contains(&format!("read /proc/{pid}/status: No such")));
}

#[test]
fn the_environment_and_the_children_are_told() {
    let mut command = Command::new("cat");
    let cat = Waiting::start(command.env_clear().env("A", "b=c\n").env("E", ""));
    let ours = || seen::children(process::id()).unwrap_or_default();
    if fs::exists("/proc/self/task/self/children").is_ok_and(|there| there) {
        assert!(ours().contains(&(cat.pid() as i32)));
    }
    wait_until(|| seen::argv(cat.pid()) == ["cat"]);
    let environment = seen::environment(cat.pid()).expect("read the environment");
    assert_eq!(environment, ["A=b=c\n", "E="]);
}

#[test]
fn namespaces_and_their_maps_are_told() {
    let cat = Waiting::start(&mut Command::new("cat"));
    let name = |pid: u32| seen::namespace(pid, "uts").expect("read a namespace's name");
    assert_eq!(name(cat.pid()), name(process::id()));
    let map = seen::map("self", "uid_map").expect("read uid_map");
    assert!(map.iter().all(|mapped| mapped.count > 0), "{map:?}");
}
