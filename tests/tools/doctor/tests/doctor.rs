//! What the doctor says of many machines: this one, seen by different users and with parts
//! of it hidden, and some that are made up of files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use common::find_in_path;
use course::STEPS;
use nix::sys::stat::{Mode, major, minor, umask};
use nix::unistd::geteuid;
use tempfile::TempDir;

/// A folder that every user may enter, with a copy of the doctor in it.
struct Ward(TempDir);

impl Ward {
    fn open() -> Self {
        assert!(geteuid().is_root(), "this test needs root");
        // What is made here is for every user to read, whatever the umask of ours is.
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        let ward = Self(tempfile::tempdir().expect("make a temporary folder"));
        ward.allow("", 0o755);
        // Not fs::copy: a process that another thread starts meanwhile would inherit the
        // file, open for writing, and so nobody could execute it.
        let mut copy = Command::new("cp");
        let copy = copy.args([env!("CARGO_BIN_EXE_doctor").as_ref(), ward.0.path()]);
        assert!(copy.status().expect("execute cp").success());
        ward
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let parent = path.parent().expect("a file in the folder");
        fs::create_dir_all(parent).expect("make a folder");
        fs::write(path, text).expect("write a file");
    }

    fn allow(&self, name: &str, mode: u32) {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), mode).expect("set a mode");
    }

    /// Puts a program into the folder `bin`.
    fn script(&self, name: &str, text: &str) {
        self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{text}\n"));
        self.allow(&format!("bin/{name}"), 0o755);
    }

    /// Executes a line of shell, where `doctor` is our copy, and after `$USER` an ordinary
    /// user's. Even a broken one cannot rename this machine or change its mounts.
    fn shell(&self, line: &str) -> Output {
        let line = line.replace("doctor", &self.path("doctor").to_string_lossy());
        Command::new("unshare")
            .args(["--mount", "--uts", "sh", "-c", &line])
            .current_dir(self.0.path())
            // It is a root filesystem, and there on every machine.
            .env("ROOTFS", "/")
            .env("USER", "setpriv --reuid 1000 --regid 1000 --clear-groups")
            .output()
            .expect("execute unshare")
    }

    /// What such a line prints.
    fn text(&self, line: &str) -> String {
        String::from_utf8_lossy(&self.shell(line).stdout).into_owned()
    }

    /// What the doctor says, which has to be plain and to fit.
    fn ask(&self, line: &str) -> Diagnosis {
        let output = self.shell(line);
        let text = String::from_utf8(output.stdout).expect("text");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.is_empty(), "{line}: {errors}");
        for line in text.lines() {
            let is_command = line.trim_start() != line
                && (line.contains('/') || line.contains("cargo run") || line.contains("runner"));
            assert!(line.chars().count() <= 80 || is_command, "too wide: {line}");
            assert!(!line.contains('\x1b'), "not plain: {line}");
        }
        let last = text.lines().last().unwrap_or_default();
        assert!(last.starts_with("Next: "), "{text}");
        let status = output.status.code();
        Diagnosis { text, status }
    }

    /// What the doctor says on the machine that is made up.
    fn ask_there(&self, line: &str) -> Diagnosis {
        self.ask(&format!("mount --bind proc /proc; {line}"))
    }

    /// Makes /proc and a cgroup file system of version 2 from files. `procs` and `enabled`
    /// are what its top says of itself.
    fn make_up(&self, procs: &str, enabled: &str) {
        self.write("cgroup/cgroup.type", "domain\n");
        let cgroup = self.path("cgroup");
        // What step 8 believes has to be on the device that is told.
        let device = fs::metadata(&cgroup).expect("find the folder").dev();
        let (major, minor, cgroup) = (major(device), minor(device), cgroup.display());
        let mounts = format!(
            "20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
             30 20 {major}:{minor} / {cgroup} rw shared:2 - cgroup2 cgroup2 rw\n"
        );
        self.write("proc/self/mountinfo", &mounts);
        self.write("proc/self/cgroup", "0::/\n");
        self.write("proc/self/uid_map", "0 0 4294967295\n");
        symlink(self.path("doctor"), self.path("proc/self/exe")).expect("make a link");
        self.write("cgroup/cgroup.controllers", "cpu memory pids\n");
        self.write("cgroup/cgroup.procs", procs);
        self.write("cgroup/cgroup.subtree_control", enabled);
    }

    /// Has the one that is made up say that who asks may do nothing.
    fn take_rights(&self) {
        let status = "CapEff: 0000000000000000\nCapBnd: 000001ffffffffff\nNoNewPrivs: 0\n";
        self.write("proc/self/status", status);
    }
}

struct Diagnosis {
    text: String,
    status: Option<i32>,
}

impl Diagnosis {
    /// The rows whose left cell is `name`, each with its lines joined.
    fn row(&self, name: &str) -> String {
        let mut lines = self.text.lines();
        let Some(first) = lines.find_map(|line| line.strip_prefix(name)) else {
            panic!("no row {name} in\n{}", self.text);
        };
        let more = lines.take_while(|line| line.starts_with(&" ".repeat(17)));
        let row: Vec<&str> = [first].into_iter().chain(more).map(str::trim).collect();
        row.join(" ")
    }

    /// Asserts what is said of some steps.
    fn says(&self, steps: std::ops::RangeInclusive<usize>, verdict: &str) -> &Self {
        for number in steps {
            let said = self.row(STEPS[number - 1]);
            let holds = said == verdict || said.starts_with(verdict) && verdict.ends_with(' ');
            let text = &self.text;
            assert!(holds, "step {number}: {said}, not {verdict}, in\n{text}");
        }
        self
    }

    /// Asserts that a row, such as `user: uid 1000`, has this in its right cell.
    fn has(&self, cells: &str) -> &Self {
        let (row, text) = cells.split_once(": ").expect("two cells");
        let found = self.row(row);
        assert!(found.contains(text), "{row}: {found}, without {text}");
        self
    }

    fn contains(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "no {text} in\n{}", self.text);
        self
    }

    fn exits(&self, status: i32) -> &Self {
        assert_eq!(self.status, Some(status), "{}", self.text);
        self
    }
}

/// As the doctor names it: by sudo, where there is one.
fn as_root() -> &'static str {
    find_in_path("sudo").map_or("as root", |_| "with sudo -E")
}

#[test]
fn root_can_run_all_eight() {
    let seen = Ward::open().ask("doctor");
    seen.exits(0).says(1..=8, "yes").contains("Next: all eight");
    seen.has("user: root").has("rootfs: /, with bash, ps");
    seen.has("namespaces: uts pid mnt net ipc");
}

#[test]
fn a_caller_may_ignore_the_end_of_its_children() {
    let seen = Ward::open().ask("env --ignore-signal=CHLD doctor");
    seen.exits(0).says(1..=8, "yes");
}

#[test]
fn the_machine_stays_as_it_was() {
    let ward = Ward::open();
    let before = orphans();
    // Mounts are shared, as systemd has them, and so one that leaks is seen.
    let text = ward.text(
        "mount --make-rshared /
        hostname outside
        look() {
            hostname
            cat /proc/self/mountinfo $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.subtree_control)
        }
        look >before
        doctor
        $USER doctor
        look >after
        cmp before after && echo the same",
    );
    assert!(text.ends_with("\nthe same\n"), "{text}");
    // What other tests leave for a moment is soon gone.
    let is_left = |path: &PathBuf| !before.contains(path) && path.exists();
    let mut left = orphans();
    for _ in 0..200 {
        left.retain(is_left);
        if left.is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("cgroups are left: {left:?}");
}

/// The cgroups that are left of a process that has ended, where step 8 makes its own.
fn orphans() -> Vec<PathBuf> {
    let find = Command::new("find")
        .args(["/sys/fs/cgroup", "-maxdepth", "2", "-name", "container-*"])
        .output()
        .expect("execute find");
    let paths = String::from_utf8_lossy(&find.stdout).into_owned();
    let has_ended = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy();
        let pid = name.split('-').nth(1).expect("a PID in the name");
        !Path::new("/proc").join(pid).exists()
    };
    paths.lines().map(PathBuf::from).filter(has_ended).collect()
}

#[test]
fn a_user_is_told_both_ways_and_their_commands() {
    let seen = Ward::open().ask("$USER doctor");
    let both = format!("with unshare -r or {}", as_root());
    seen.exits(1).says(1..=2, "yes").says(3..=7, &both);
    seen.says(8..=8, as_root()).has("user: uid 1000");
    seen.contains("Steps 3 to 7, as root of a user namespace")
        .contains("runner = \"unshare -r\"\n")
        .contains("Steps 3 to 8, as root:\n  # in .cargo/config.toml\n")
        .contains("\n  [target.'cfg(target_os = \"linux\")']\n  runner = \"sudo -E\"\n");
}

#[test]
fn root_of_a_user_namespace_lacks_a_cgroup_only() {
    let seen = Ward::open().ask("$USER unshare -r doctor");
    seen.exits(1).says(1..=7, "yes").says(8..=8, as_root());
    seen.has("user: user namespace, uid 1000 outside");
    seen.contains("Step 8, as root outside");
}

#[test]
fn a_covered_proc_is_in_the_way_of_unshare() {
    let seen = Ward::open().ask("mount --bind /dev/null /proc/interrupts; $USER doctor");
    let both = format!("with unshare -r or {}", as_root());
    seen.says(6..=6, &both).says(7..=8, as_root());
    seen.contains("Steps 3 to 8, as root");
}

#[test]
fn who_lacks_the_capability_hears_so() {
    let ward = Ward::open();
    let drop = "setpriv --bounding-set=-sys_admin --no-new-privs ";
    let seen = ward.ask(&format!("{drop} doctor"));
    seen.exits(1).says(3..=7, "with unshare -r");
    seen.has("user: root, without CAP_SYS_ADMIN -> the steps from 3 on need CAP_SYS_ADMIN, which");
    let seen = ward.ask("$USER --no-new-privs doctor");
    seen.says(8..=8, "no: needs CAP_SYS_ADMIN: see user");
    let forbid = "echo 0 >/proc/sys/user/max_user_namespaces; ";
    let seen = ward.ask(&format!("unshare -r sh -c '{forbid} {drop} doctor'"));
    seen.exits(1)
        .says(3..=8, "no: needs CAP_SYS_ADMIN: see user");
    seen.has("user namespaces: `unshare -r` fails: unshare: unshare failed: No space");
    seen.contains("\n                    sudo sysctl user.max_user_namespaces=10000\n");
    seen.contains("Next: do what the first table says");
}

#[test]
fn cgroups_can_be_read_only() {
    let remount = "cut -d' ' -f5 /proc/self/mountinfo | grep ^/sys/fs/cgroup |
        xargs -n1 mount -o remount,bind,ro; ";
    let seen = Ward::open().ask(&format!("{remount} doctor"));
    seen.exits(1).says(1..=7, "yes").says(8..=8, "no: ");
    seen.has("pids: Read-only file system");
    seen.has("pids: `--privileged`");
}

#[test]
fn a_missing_rootfs_is_made_by_a_command() {
    let ward = Ward::open();
    let seen = ward.ask("unset ROOTFS; doctor");
    seen.exits(1).says(1..=5, "yes");
    seen.says(6..=8, "no: needs a rootfs");
    seen.has("rootfs: no ./rootfs -> `cargo run --bin rootfs`");
    seen.contains("\nNext: `cargo run --bin rootfs`");
    let seen = ward.ask("ROOTFS=nowhere $USER doctor");
    seen.exits(1)
        .says(8..=8, &format!("{}, once there is a rootfs", as_root()));
    seen.has("rootfs: `cargo run --bin rootfs -- nowhere`");
    // However long, a command stays on one line, so that it can be copied.
    let far = "/where/nobody/has/ever/been/and/nobody/will/ever/go";
    let text = ward.text(&format!("ROOTFS={far} doctor"));
    let advice = format!("-> `cargo run --bin rootfs -- {far}`\n");
    assert!(text.contains(&advice), "{text}");
}

#[test]
fn a_rootfs_can_be_out_of_reach() {
    let ward = Ward::open();
    ward.write("secret/rootfs/bin/bash", "");
    ward.allow("secret", 0o700);
    let seen = ward.ask("ROOTFS=secret/rootfs $USER doctor");
    seen.exits(1)
        .has("rootfs: secret/rootfs: Permission denied");
    seen.contains("Next: do what the first table says");
}

#[test]
fn a_rootfs_can_lack_device_files() {
    let ward = Ward::open();
    ward.write("rootfs/bin/bash", "");
    let seen = ward.ask("unset ROOTFS; doctor");
    // Another tool's, which our program would not change.
    seen.has("rootfs: ./rootfs, with bash, no ps no device files")
        .contains("\n                    mknod -m 666 ./rootfs/dev/null c 1 3\n");
    ward.write("rootfs/.made-by-rootfs", "");
    let seen = ward.ask("unset ROOTFS; doctor");
    seen.has("rootfs: -> `cargo run --bin rootfs`, as root");
    let seen = ward.ask("unset ROOTFS; mkdir rootfs/dev; mknod rootfs/dev/null c 1 3; doctor");
    assert!(!seen.text.contains("device files"), "{}", seen.text);
}

/// As Debian 13 mounts /tmp.
#[test]
fn a_file_system_can_forbid_device_files_and_programs() {
    let ward = Ward::open();
    ward.write("rootfs/dev/file", "");
    fs::create_dir(ward.path("disk")).expect("make a folder");
    for option in ["nodev", "noexec"] {
        let seen = ward.ask(&format!(
            "unset ROOTFS; mount -t tmpfs -o {option} none rootfs;
            mkdir rootfs/dev; mknod rootfs/dev/null c 1 3; doctor"
        ));
        seen.has(&format!("rootfs: mounted {option}"));
        seen.has("rootfs: name it in ROOTFS");
        let seen = ward.ask(&format!(
            "mount -t tmpfs -o {option} none disk; ROOTFS=disk/rootfs doctor"
        ));
        let place = "no disk/rootfs and its place is on a file system mounted";
        seen.has(&format!("rootfs: {place} {option}"));
    }
}

#[test]
fn a_limit_on_namespaces_is_named() {
    let seen = Ward::open().ask(
        "unshare -r sh -c 'cd /proc/sys/user; echo 0 >max_uts_namespaces; echo 0 >max_pid_namespaces; doctor'",
    );
    let no_room = "no: there is no room for its namespaces: see namespaces";
    seen.exits(1).says(3..=7, no_room);
    seen.has("namespaces: not uts pid: No space left on device")
        .contains("\n                    sudo sysctl user.max_uts_namespaces=10000\n");
    let seen = Ward::open()
        .ask("unshare -r unshare -u sh -c 'echo 1 >/proc/sys/user/max_uts_namespaces; doctor'");
    seen.has("namespaces: user.max_uts_namespaces is 1, and as many are in use");
}

#[test]
fn a_sudo_that_keeps_no_environment_is_told() {
    let ward = Ward::open();
    ward.script("sudo", "echo sudo-rs 0.2.8");
    let ask = |line: &str| ward.ask(&format!("PATH=$PWD/bin:$PATH; {line} $USER doctor"));
    ask("ROOTFS=/")
        .says(8..=8, "with sudo ROOTFS=/")
        .contains("runner = \"sudo ROOTFS=/\"\n");
    ask("unset ROOTFS; mkdir -p rootfs/bin;").says(8..=8, "with sudo");
    ward.script("sudo.ws", "");
    ask("")
        .says(8..=8, "with sudo.ws -E")
        .contains("runner = \"sudo.ws -E\"\n");
}

#[test]
fn a_delegated_cgroup_is_a_way_to_step_8() {
    let ward = Ward::open();
    ward.make_up("", "pids\n");
    // It is believed here that it does what it is asked for.
    let asked = "[ \"$*\" != \"${*#*--user --scope -p Delegate=yes unshare -r }\" ]";
    ward.script("systemd-run", asked);
    ward.take_rights();
    let seen = ward.ask_there("PATH=$PWD/bin:$PATH; $USER doctor");
    let both = format!("with systemd-run or {}", as_root());
    seen.exits(1).says(8..=8, &both);
    let scope = "systemd-run --quiet --user --scope -p Delegate=yes";
    seen.contains(&format!(
        "\n  {scope} cargo run -p step08-cgroup -- run bash\n"
    ));
}

#[test]
fn cgroups_can_be_covered() {
    let cover = "for point in $(cut -d' ' -f5 /proc/self/mountinfo | grep ^/sys/fs/cgroup | tac); do
            umount $point
        done
        mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/pids /sys/fs/cgroup/over
        mount -t cgroup2 none /sys/fs/cgroup/over || mount -t cgroup -o pids none /sys/fs/cgroup/over
        mount -t tmpfs none /sys/fs/cgroup/over; ";
    let seen = Ward::open().ask(&format!("{cover} doctor"));
    seen.exits(1).says(1..=7, "yes").says(8..=8, "no: ");
    seen.has("cgroups: something lies over /sys/fs/cgroup/over -> `umount");
}

#[test]
fn programs_can_be_missing() {
    let ward = Ward::open();
    let seen = ward.ask("PATH=/nowhere; doctor");
    seen.exits(1).says(1..=1, "yes").says(2..=5, "no: ");
    seen.has("programs: no bash, no ps -> `apt-get install bash`");
    seen.has("programs: `apt-get install procps`");
    // The steps run what they are given.
    fs::create_dir(ward.path("bin")).expect("make a folder");
    symlink("/bin/sh", ward.path("bin/sh")).expect("make a link");
    let seen = ward.ask("PATH=$PWD/bin:$PWD/bin; doctor");
    seen.exits(0).has("programs: no bash");
}

#[test]
fn a_machine_without_proc_is_cured_first() {
    let seen = Ward::open().ask("mount -t tmpfs none /proc; doctor");
    seen.exits(1).says(1..=3, "yes");
    seen.says(4..=8, "no: needs /proc");
    seen.has("/proc: `mount -t proc proc /proc`");
}

#[test]
fn a_shared_root_is_no_obstacle() {
    let seen = Ward::open().ask("mount --make-rshared /; doctor");
    seen.exits(0).has("mounts: `/` is shared");
}

#[test]
fn a_crowded_top_cgroup_takes_two_commands() {
    let ward = Ward::open();
    ward.make_up("1\n7\n", "");
    let seen = ward.ask_there("doctor");
    let top = ward.path("cgroup");
    let top = top.display();
    seen.exits(1).says(1..=7, "yes").says(8..=8, "no: ");
    seen.has("pids: holds processes").contains(&format!(
        "\n                    mkdir {top}/init\n\
         \x20                   xargs -n1 < {top}/cgroup.procs > {top}/init/cgroup.procs\n"
    ));
}

#[test]
fn pids_are_not_enabled_for_a_trial() {
    let ward = Ward::open();
    ward.make_up("", "cpu\n");
    let release = "5.15.90.1-microsoft-standard-WSL2\n";
    ward.write("proc/sys/kernel/osrelease", release);
    let files = || fs::read_dir(ward.path("cgroup")).expect("list").count();
    let before = files();
    let seen = ward.ask_there("doctor");
    seen.exits(0).says(1..=8, "yes");
    seen.has("pids: step 8 does by itself")
        .has("cgroups: v2, at ");
    seen.has("WSL: version 2").has("mounts: `/` is shared");
    let enabled = fs::read_to_string(ward.path("cgroup/cgroup.subtree_control"));
    assert_eq!(enabled.expect("read cgroup.subtree_control"), "cpu\n");
    assert_eq!(files(), before);
    // Once they are, it is tried, and where they cannot be, too. Unlike in a cgroup, there
    // is no file for a cap then, and nobody makes one.
    for (name, text) in [("subtree_control", "cpu pids\n"), ("controllers", "cpu\n")] {
        ward.write(&format!("cgroup/cgroup.{name}"), text);
        let text = ward.text("mount --bind proc /proc; doctor");
        assert!(text.contains("pids.max:"), "{text}");
        ward.write("cgroup/cgroup.subtree_control", "cpu\n");
    }
}

#[test]
fn settings_that_forbid_user_namespaces_are_named() {
    let ward = Ward::open();
    ward.make_up("", "pids\n");
    ward.take_rights();
    for (name, value) in [
        ("apparmor_restrict_unprivileged_userns", "1"),
        ("unprivileged_userns_clone", "0"),
        ("osrelease", "4.19.0-27-amd64"),
    ] {
        ward.write(&format!("proc/sys/kernel/{name}"), value);
    }
    let seen = ward.ask_there("$USER doctor");
    seen.exits(1).says(3..=3, as_root());
    seen.contains("   sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0\n")
        .contains("   sudo sysctl kernel.unprivileged_userns_clone=1\n")
        .has("kernel: 5.10 and later");
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let ward = Ward::open();
    let status = |line: &str| ward.shell(line).status.code();
    assert_eq!(status("doctor >/dev/full"), Some(125));
    assert_eq!(status("doctor >&-"), Some(0));
    assert_eq!(status("doctor >/dev/full 2>&-"), Some(125));
    let closed = ward.shell("{ doctor; echo $? >&2; } | :");
    let closed = String::from_utf8_lossy(&closed.stderr).into_owned();
    assert!(closed.contains("write to standard output"), "{closed}");
    assert!(closed.ends_with("\n125\n"), "{closed}");
}

#[test]
fn other_command_lines_are_refused() {
    let ward = Ward::open();
    for words in ["now", "--colour", "try", "try step"] {
        let status = ward.shell(&format!("doctor {words}")).status;
        assert_eq!(status.code(), Some(125), "{words}");
    }
    let help = ward.shell("doctor --help");
    assert_eq!(help.status.code(), Some(0));
    assert!(help.stdout.starts_with(b"usage: doctor\n"));
}
