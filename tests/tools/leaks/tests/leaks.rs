//! `leaks` sees what each step adds, tells each kind of namespace from the others, and
//! leaves nothing behind. This takes root, and the steps' programs, from `cargo build`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use kernelfiles::process;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LEAKS: &str = env!("CARGO_BIN_EXE_leaks");

#[test]
fn each_step_turns_its_rows() {
    let mut own = String::new();
    for (step, adds) in [
        ("step02-exec", ""),
        ("step03-uts", "hostname"),
        ("step04-child", ""),
        ("step05-pid", "PIDs"),
        ("step06-chroot", "root and files, device files"),
        ("step07-proc", "process list, mounts"),
        ("step08-cgroup", "process limit"),
    ] {
        own = format!("{own}, {adds}");
        let table = table(&format!("{step} run"));
        table.expect_own(&own);
        // The /proc of step 6 is empty.
        let is_none = table.row("process list").starts_with("none\t");
        assert_eq!(is_none, step == "step06-chroot", "{}", table.0);
    }
}

#[test]
fn evidence_is_what_a_reader_can_check() {
    let copy = table("step03-uts run");
    copy.expect("hostname", "own\tlaptop still, but in uts:[");
    let table = table("step08-cgroup run");
    for (name, row) in [
        ("hostname", "own\tcontainer, not laptop"),
        ("PIDs", "own\t2 inside is "),
        ("root and files", "own\tits / is rootfs"),
        ("device files", "own\tnull random tty urandom zero"),
        ("process list", "own\t/proc shows 2 of its own, not leaks"),
        ("process limit", "own\tat most 20 processes"),
        ("user IDs", "shared\t0 inside and outside"),
        ("descriptors", "shared\t3 leads to the host's /"),
        ("kernel", "shared\tthe host's: the probe is its process "),
    ] {
        table.expect(name, row);
    }
}

#[test]
fn each_namespace_turns_its_row() {
    for (option, own) in [
        ("--uts", "hostname"),
        ("--pid", "PIDs"),
        ("--mount", "mounts"),
        ("--mount-proc --pid", "process list, mounts, PIDs"),
        ("--net", "network"),
        ("--ipc", "IPC"),
        ("--map-root-user", "user IDs, capabilities"),
        ("--cgroup", "cgroup view"),
        ("--time", "clock"),
    ] {
        table(&format!("unshare --fork {option}")).expect_own(own);
    }
}

#[test]
fn mounts_that_reach_the_host_are_shared() {
    for (propagation, own) in [("unchanged", ""), ("private", "mounts")] {
        // A host like one with systemd.
        let line = "mount --make-rshared / && leaks --plain unshare --mount --propagation";
        Table::of(&on_a_host(&format!("{line} {propagation}"))).expect_own(own);
    }
}

#[test]
fn a_shell_is_enough() {
    let root = scratch().join("leaks-shell");
    fs::remove_dir_all(&root).ok();
    let copied = Command::new("cp")
        .arg("-a")
        .args([rootfs(), &root])
        .status();
    assert!(
        copied.is_ok_and(|it| it.success()),
        "copy the root filesystem"
    );
    for file in fs::read_dir(root.join("usr/bin")).unwrap().flatten() {
        if file.file_name() != "sh" {
            fs::remove_file(file.path()).unwrap();
        }
    }
    fs::remove_dir_all(root.join("dev")).unwrap();
    fs::remove_dir(root.join("proc")).unwrap();
    let table = table(&format!("unshare --mount chroot '{}'", root.display()));
    table.expect_own("root and files, mounts");
    table.expect("device files", "none\t");
    table.expect("process list", "none\t");
}

#[test]
fn a_shell_that_reads_its_input_will_do() {
    table("--stdin step05-pid run sh").expect_own("hostname, PIDs");
}

/// As mydocker, and other runtimes, close what is not for the command.
#[test]
fn a_closed_descriptor_is_no_leak() {
    table(r#"bash -c 'exec 3<&-; exec "$@"' bash"#).expect_own("descriptors");
}

/// With a word more, it is not the command line that leaks looks for.
#[test]
fn the_probe_is_believed_where_the_host_does_not_show_it() {
    let hidden = |line: &str| table(&format!(r#"sh -c 'exec "$@" hidden' sh {line}"#));
    let plain = hidden("");
    plain.expect_own("");
    plain.expect("kernel", "shared\tthe same boot_id");
    hidden("step07-proc run")
        .expect_own("hostname, PIDs, root and files, device files, process list, mounts");
    // It has no /proc to read: then there is little to believe.
    let blind = hidden(&format!("chroot '{}'", rootfs().display()));
    blind.expect("network", "unknown\t");
    blind.expect("root and files", "own\t");
}

#[test]
fn step_1_has_nothing_to_share() {
    let output = on_a_host("leaks step01-run run");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("never started the probe"), "{text}");
    let table = table("step01-run run");
    let mut lines = table.0.lines();
    assert!(lines.all(|line| line.contains("\tnone\t")), "{}", table.0);
}

#[test]
fn a_command_that_fails_is_an_error() {
    for row in [
        "leaks no-such-program => 127: execute no-such-program: No such file",
        "leaks /etc/passwd => 126: execute /etc/passwd: Permission denied",
        "leaks sh -c 'echo why >&2; exit 3' => 3: why\nerror: `sh -c",
        "leaks sh -c 'kill -9 $$' => 137: exit status 137",
        "leaks env ROOTFS=/missing step06-chroot run => 125: chroot to /missing",
        "leaks --seconds 9223372036854775807 true => 125: --seconds takes a whole number, up to 4294967295",
        "leaks --seconds -1 true => 125: takes a whole number",
        "leaks --seconds '' true => 125: takes a whole number",
        "leaks --seconds nan true => 125: takes a whole number",
        "leaks --seconds => 125: takes a whole number",
        "leaks --seconds 1 sleep inf => 1: had not started the probe",
        "leaks --seconds 1 sh -c 'sleep 9' => 125: not heard within 1 seconds",
        "leaks --no-such-option true => 125: unknown option --no-such-option\nusage:",
        "leaks => 125: expected a command that starts a container\nusage:",
    ] {
        let (line, end) = row.split_once(" => ").unwrap();
        let (status, message) = end.split_once(": ").unwrap();
        let output = on_a_host(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().map(|code| code.to_string());
        assert_eq!(code.as_deref(), Some(status), "{line}: {errors}");
        assert!(errors.contains(message), "{line}: {errors}");
        assert_eq!(output.stdout, b"", "{line}");
    }
}

#[test]
fn the_table_fits_into_80_columns() {
    let name = "n".repeat(64);
    let rename = format!(r#"'hostname {name}; exec "$@"'"#);
    let output = on_a_host(&format!("leaks unshare --uts sh -c {rename} sh"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 16, "{text}");
    assert!(text.contains("nnn…\n"), "{text}");
    let fits = |line: &str| line.chars().count() <= 80;
    assert!(text.lines().all(fits), "{text}");
}

/// A runtime that is killed could leave something behind: it is left to end by itself.
#[test]
fn the_container_is_not_killed() {
    let output = on_a_host(r#"leaks sh -c '"$@"; echo "ended with $?" >&2' sh"#);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "ended with 0\n");
}

/// Here Ctrl-C reaches leaks alone, and the others are deaf to all but SIGKILL.
#[test]
fn ctrl_c_takes_all_down() {
    // Not for long, should this test fail, and by its length it is found.
    let nap = format!("30.{}", Pid::this());
    let script = format!("trap '' INT TERM; sleep {nap} & sleep {nap}");
    let mut leaks = start(&["setsid", "--wait", "sh", "-c", &script]);
    eventually("two naps", || processes_with(&nap).len() == 2);
    let pid = Pid::from_raw(leaks.id().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(leaks.wait().unwrap().code(), Some(130));
    assert_eq!(processes_with(&nap), Vec::<i32>::new());
}

/// Even if leaks cannot do anything about it any more.
#[test]
fn a_container_ends_with_leaks() {
    let mark = format!("mark-of-{}", Pid::this());
    // Both leaks and the shell in between have the mark in their command lines.
    let mut leaks = start(&["sh", "-c", "kill -STOP $PPID; \"$@\"; exit", &mark]);
    // While leaks is stopped, the probe tells all, and waits.
    thread::sleep(Duration::from_millis(500));
    let processes = processes_with(&mark);
    leaks.kill().unwrap();
    leaks.wait().unwrap();
    assert_eq!(processes.len(), 2);
    eventually("the end of the container", || {
        processes_with(&mark).is_empty()
    });
}

fn start(words: &[&str]) -> Child {
    let mut leaks = Command::new(LEAKS);
    leaks.args(words).stdin(Stdio::null()).spawn().unwrap()
}

/// What `leaks --plain` prints.
struct Table(String);

impl Table {
    fn of(output: &Output) -> Self {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", output.status);
        Self(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Its rows: each a name, and what stands behind it.
    fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once('\t'))
    }

    /// What stands behind this name.
    fn row(&self, name: &str) -> &str {
        let row = self.rows().find(|(found, _)| *found == name);
        row.unwrap_or_default().1
    }

    /// Fails unless these rows are the container's own, and no others.
    fn expect_own(&self, names: &str) {
        let own = self.rows().filter(|(_, row)| row.starts_with("own\t"));
        let own: BTreeSet<&str> = own.map(|(name, _)| name).collect();
        let names = names.split(", ").filter(|name| !name.is_empty());
        assert_eq!(own, names.collect(), "\n{}", self.0);
    }

    fn expect(&self, name: &str, start: &str) {
        let row = self.row(name);
        assert!(row.starts_with(start), "{start}\n{}", self.0);
    }
}

fn table(words: &str) -> Table {
    Table::of(&on_a_host(&format!("leaks --plain {words}")))
}

/// Executes a line of shell on a host that not even a broken step could do harm to: its hostname
/// and its mounts are for this line only. The steps' programs lie where that of leaks does.
fn on_a_host(line: &str) -> Output {
    let (rootfs, programs) = (rootfs(), Path::new(LEAKS).parent().unwrap());
    for step in line.split(' ').filter(|word| word.starts_with("step")) {
        assert!(
            programs.join(step).exists(),
            "no {step}: `cargo build` makes it"
        );
    }
    let path = format!("{}:{}", env::var("PATH").unwrap(), programs.display());
    let output = Command::new("unshare")
        .args(["--uts", "--mount", "sh", "-c"])
        .arg(format!("hostname laptop; {line}"))
        .current_dir(rootfs.parent().unwrap())
        .env("PATH", path)
        .env("ROOTFS", rootfs)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output();
    output.expect("execute unshare")
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("leaks")
}

/// A root filesystem for all of these tests, which may be processes of their own.
fn rootfs() -> &'static Path {
    static ROOTFS: OnceLock<PathBuf> = OnceLock::new();
    ROOTFS.get_or_init(|| rootfs::make_once(&scratch()).unwrap())
}

/// The processes that have this word in their command line.
fn processes_with(word: &str) -> Vec<i32> {
    let has_word = |pid: &i32| process::argv(pid).iter().any(|part| part == word);
    process::all().filter(has_word).collect()
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
