//! The machine as a program under test sees it: a hostname, mounts and a cgroup to play with.
//!
//! Each test is a thread of its own in a UTS and a mount namespace of its own. For the
//! program that *is* the host: what changes there has leaked, and the real host is out of
//! its reach. All that the program starts is in a cgroup that holds at most 200 processes,
//! and it takes that cgroup for the top of the hierarchy. At the end all of them are killed.
//! Where memory and processors are counted in other hierarchies, it has a top there too.
//!
//! Read: unshare(2), whose namespaces are per thread; cgroup_namespaces(7).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::mem;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, gethostname, sethostname};
use tempfile::TempDir;

use crate::cgroup::Cgroups;
use crate::mountinfo::{self, Mount};

/// More than any honest test needs, and few enough for any machine.
const MAX_PROCESSES: u32 = 200;

/// The hostname outside the container.
pub const HOSTNAME: &str = "outside";

/// The cgroups of the tests that are running, so that Ctrl-C can empty them.
static GUARDS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// An empty folder, on which each test mounts a file system of its own.
static SCRATCH: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Time limits are made for a machine like the author's. `TEST_SLOWNESS=30` says that
/// this one is 30 times slower: a virtual machine without KVM is.
pub fn scaled(milliseconds: u64) -> Duration {
    let factor = std::env::var("TEST_SLOWNESS")
        .ok()
        .and_then(|factor| factor.parse().ok());
    Duration::from_millis(milliseconds) * factor.unwrap_or(1)
}

/// Waits until `look` finds something, and says `what` was missing if it never does.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let limit = scaled(5_000);
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(
            start.elapsed() < limit,
            "waited {limit:?} in vain for {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a container must leave as it was, as long as it runs and afterwards.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    hostname: String,
    mounts: String,
    files: BTreeSet<PathBuf>,
}

/// The host of one test.
pub struct Host {
    /// A folder that is empty at first: the working directory of every program that is started.
    pub folder: TempDir,
    /// Where files can be made that are in nobody's way. All others are read-only, with root.
    pub scratch: PathBuf,
    /// Where cgroups are mounted, and what is bound there. `None` without root.
    guard: Option<Guard>,
    /// What was run last, with what it said: some failures are seen at the host alone.
    last_run: Mutex<String>,
}

/// A folder that is mounted a second time. It is unmounted when this value is dropped.
pub struct Exposed(PathBuf);

impl Exposed {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        unmount(&self.0);
        // No file is deleted here: it could be one of a folder that is still mounted.
        fs::remove_dir(&self.0).ok();
    }
}

/// Unmounts all that is mounted on the folder `path`: a program may have mounted something
/// there, too.
fn unmount(path: &Path) {
    while umount2(path, MntFlags::MNT_DETACH).is_ok() {}
}

/// Cgroups that lie on the mount points of their hierarchies: first the one that counts
/// processes, then those for memory and processors, where they are others.
struct Guard {
    mount_points: Vec<PathBuf>,
    cgroups: Cgroups,
}

impl Host {
    /// Moves the calling thread, for good, to a host of its own.
    ///
    /// Without root that cannot be done. For a program that needs no root there is nothing
    /// to guard then, and it gets this machine as it is.
    pub fn enter(needs_root: bool) -> Result<Self> {
        let scratch = scratch()?;
        match unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS) {
            Ok(()) => {}
            Err(Errno::EPERM) if needs_root => bail!(NEEDS_ROOT),
            Err(Errno::EPERM) => {
                let folder = tempfile::tempdir().context("make a temporary folder")?;
                return Ok(Self {
                    scratch: folder.path().to_path_buf(),
                    folder,
                    guard: None,
                    last_run: Mutex::default(),
                });
            }
            Err(errno) => return Err(errno).context("unshare the UTS and mount namespaces"),
        }
        sethostname(HOSTNAME).context("set the hostname of the test's own UTS namespace")?;
        // First cut off from the real host, then shared, as systemd has it: so a mount
        // that a program does not keep to itself shows up here, and nowhere else.
        for propagation in [MsFlags::MS_PRIVATE, MsFlags::MS_SHARED] {
            mount(
                None::<&str>,
                "/",
                None::<&str>,
                MsFlags::MS_REC | propagation,
                None::<&str>,
            )
            .context("change the propagation of /")?;
        }
        make_files_read_only()?;
        let guard = Guard::enter().context("make a cgroup for the program under test")?;
        // In memory, since some tests fill it with a whole root filesystem.
        mount_tmpfs(&scratch, "100m")?;
        let folder = tempfile::tempdir_in(&scratch).context("make a working directory")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777))
            .context("let every user into the working directory")?;
        Ok(Self {
            folder,
            scratch,
            guard: Some(guard),
            last_run: Mutex::default(),
        })
    }

    /// Tells what was run, for a failure that is seen at the host alone.
    pub fn remember(&self, report: String) {
        *self
            .last_run
            .lock()
            .expect("no thread panics with this lock") = report;
    }

    /// Adds what was run last to a failure.
    fn after_last_run(&self, failure: String) -> Error {
        let ran = self
            .last_run
            .lock()
            .expect("no thread panics with this lock");
        match ran.as_str() {
            "" => anyhow!(failure),
            ran => anyhow!("ran:      {ran}\n{failure}"),
        }
    }

    /// The file that a process writes `0` to before it becomes the program under test: in
    /// the guard's leaf, by way of the real host's mounts, on which nothing lies.
    pub fn entrance(&self) -> Option<PathBuf> {
        let guard = self.guard.as_ref()?;
        // This is the main thread's root, which is in no namespace of a test.
        let root = PathBuf::from(format!("/proc/{}/root", process::id()));
        let cgroup = guard.cgroups.paths[0].strip_prefix("/").ok()?;
        Some(root.join(cgroup).join("init/cgroup.procs"))
    }

    /// What must be the same before, while, and after a container runs.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let mounts = fs::read("/proc/thread-self/mountinfo").context("read mountinfo")?;
        let files = fs::read_dir(self.folder.path()).context("list the working directory")?;
        Ok(Snapshot {
            hostname: gethostname()
                .context("get the hostname")?
                .to_string_lossy()
                .into_owned(),
            mounts: String::from_utf8_lossy(&mounts).into_owned(),
            files: files.map(|file| Ok(file?.path())).collect::<Result<_>>()?,
        })
    }

    /// The cgroups that the program under test has made.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let Some(guard) = &self.guard else {
            return Vec::new();
        };
        let init = guard.mount_points[0].join("init");
        let points = guard.mount_points.iter();
        let mut cgroups: Vec<PathBuf> = points.flat_map(|point| descendants(point)).collect();
        cgroups.retain(|cgroup| *cgroup != init && !guard.mount_points.contains(cgroup));
        cgroups
    }

    /// All processes that came from a program under test, by the host's numbers.
    pub fn processes(&self) -> Vec<i32> {
        let Some(guard) = &self.guard else {
            return Vec::new();
        };
        let cgroups = descendants(&guard.mount_points[0]);
        cgroups.iter().flat_map(|cgroup| members(cgroup)).collect()
    }

    /// Waits for a process with just this command line, and returns the host's number for it.
    pub fn find_process(&self, argv: &[&str]) -> Result<i32> {
        let wanted: Vec<u8> = argv
            .iter()
            .flat_map(|arg| [arg.as_bytes(), b"\0"].concat())
            .collect();
        let found = eventually(
            &format!("a process `{}` on the host", argv.join(" ")),
            || {
                // Without a cgroup to look into, any process of this machine may be it.
                let pids = if self.guard.is_some() {
                    self.processes()
                } else {
                    all_processes()
                };
                pids.into_iter().find(|pid| {
                    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|cmdline| cmdline == wanted)
                })
            },
        );
        found.map_err(|error| self.after_last_run(error.to_string()))
    }

    /// The host's number for the process that has started process `pid`.
    pub fn parent_of(&self, pid: i32) -> Result<i32> {
        status_of(pid, "PPid")?
            .parse()
            .with_context(|| format!("find the parent of process {pid}"))
    }

    /// The host's number for PID 1 of the container whose command is process `pid`: that
    /// same process, or the one that has started it.
    pub fn init_of(&self, pid: i32) -> Result<i32> {
        // Only what came from the program: without a PID namespace, PID 1 is this machine's.
        let ours = self.processes();
        for pid in [pid, self.parent_of(pid)?] {
            // Its PIDs in all the namespaces that it is in, the innermost last.
            if ours.contains(&pid) && status_of(pid, "NSpid")?.split('\t').next_back() == Some("1")
            {
                return Ok(pid);
            }
        }
        bail!("expected: PID 1 for process {pid} or its parent\nseen:     other PIDs in NSpid")
    }

    /// The folder of the cgroup that process `pid` is in.
    pub fn cgroup_of(&self, pid: i32) -> Result<PathBuf> {
        let found = self
            .cgroups()
            .into_iter()
            .find(|cgroup| members(cgroup).contains(&pid));
        found.with_context(|| {
            let path = format!("/proc/{pid}/cgroup");
            let seen = fs::read_to_string(&path).unwrap_or_default();
            let seen = seen.trim_end().replace('\n', "\n          | ");
            format!(
                "expected: process {pid} in a cgroup of its container\n\
                 seen:     these cgroups: {:?}, and in {path}:\n          | {seen}",
                self.cgroups()
            )
        })
    }

    /// Fails unless every process that came from the program, and every cgroup, is gone.
    pub fn expect_nothing_left(&self) -> Result<()> {
        let left = || (self.processes(), self.cgroups());
        let gone = eventually("all to end", || (left() == (vec![], vec![])).then_some(()));
        gone.map_err(|_| {
            let (pids, cgroups) = left();
            let names = pids
                .iter()
                .map(|pid| command_line(*pid))
                .collect::<Vec<_>>();
            self.after_last_run(format!(
                "expected: no process and no cgroup is left\n\
                 seen:     processes {names:?}, cgroups {cgroups:?}{}",
                if cgroups.is_empty() {
                    String::new()
                } else {
                    more_in(8)
                }
            ))
        })
    }

    /// Fails unless hostname, mounts and files are as they were at `before`.
    pub fn expect_unchanged(&self, before: &Snapshot) -> Result<()> {
        let now = self.snapshot()?;
        if now == *before {
            return Ok(());
        }
        let seen = difference(before, &now);
        let failure = format!("expected: the host as it was\nseen:     {seen}");
        Err(self.after_last_run(failure))
    }

    /// Mounts the folder `path` a second time, where every user can reach it.
    pub fn expose(&self, path: &Path) -> Result<Exposed> {
        let place = self.make_folder()?;
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755))
            .context("let every user into a temporary folder")?;
        bind(path, place.path())?;
        Ok(Exposed(place.keep()))
    }

    /// Makes an empty folder outside of the working directory.
    pub fn make_folder(&self) -> Result<TempDir> {
        tempfile::tempdir_in(&self.scratch).context("make a temporary folder")
    }

    /// Makes an empty file that has no name.
    pub fn make_file(&self) -> Result<File> {
        tempfile::tempfile_in(&self.scratch).context("make a temporary file")
    }

    /// Mounts an empty file system of a size such as `2m` on the folder `path`.
    pub fn mount_tmpfs(&self, path: &Path, size: &str) -> Result<()> {
        mount_tmpfs(path, size)
    }

    /// Puts /dev/null over a program of this machine, which nobody can execute.
    pub fn hide_program(&self, name: &str) -> Result<()> {
        for folder in ["/usr/bin", "/bin"] {
            bind(Path::new("/dev/null"), &Path::new(folder).join(name))?;
        }
        Ok(())
    }

    /// What names a namespace of the host, such as `uts:[4026531838]`.
    pub fn namespace(&self, kind: &str) -> Result<String> {
        let link = fs::read_link(format!("/proc/thread-self/ns/{kind}"));
        let link = link.with_context(|| format!("read the name of the {kind} namespace"))?;
        Ok(link.to_string_lossy().into_owned())
    }

    /// Makes the folder `path` read-only for the programs started from now on.
    pub fn make_read_only(&self, path: &Path) -> Result<()> {
        bind(path, path)?;
        remount_read_only(path)
    }

    /// Whether the programs under test can have cgroups with this file: a kernel may lack the
    /// controller.
    pub fn has_cgroups_with(&self, file: &str) -> bool {
        let mut points = self.guard.iter().flat_map(|guard| &guard.mount_points);
        points.any(|point| point.join(file).exists())
    }

    /// Makes the cgroup file systems read-only for the programs started from now on.
    pub fn make_cgroups_read_only(&self) -> Result<()> {
        let guard = self
            .guard
            .as_ref()
            .context("there is no cgroup to make read-only")?;
        let mut points = guard.mount_points.iter();
        points.try_for_each(|point| remount_read_only(point))
    }

    /// Makes room for more processes than one test needs, threads included.
    pub fn allow_processes(&self, max: u32) -> Result<()> {
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        let limit = guard.mount_points[0].join("pids.max");
        fs::write(&limit, max.to_string()).with_context(|| format!("write {}", limit.display()))
    }

    /// Ends every process that came from the program under test.
    pub fn kill_all(&self) {
        if let Some(guard) = &self.guard {
            kill_members(&guard.mount_points[0]);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.guard.is_some() {
            self.kill_all();
            // First, and then there is nothing left that the folder itself could delete.
            unmount(&self.scratch);
        }
    }
}

const NEEDS_ROOT: &str = "\
    this test needs root: run `cargo test` as root, or let cargo be root for the tests: \
    `cargo run --bin doctor` shows how";

impl Guard {
    fn enter() -> Result<Self> {
        let cgroups = {
            // One after the other: their name is our PID and the time, which on some machines
            // two threads can read alike.
            let mut guards = GUARDS.lock().expect("no thread panics with this lock");
            let mut cgroups = Cgroups::new()?;
            cgroups.limit_processes(MAX_PROCESSES)?;
            for controller in ["memory", "cpu"] {
                // Only one exercise needs them.
                cgroups.with_controller(controller).ok();
            }
            guards.extend(cgroups.paths.iter().cloned());
            cgroups
        };
        let points = cgroups.paths.iter().filter_map(|cgroup| cgroup.parent());
        let mount_points: Vec<PathBuf> = points.map(Path::to_path_buf).collect();
        // Processes live in a leaf, or on cgroup v2 nobody could make a cgroup beside them.
        let top = &cgroups.paths[0];
        fs::create_dir(top.join("init")).context("make a cgroup to start in")?;
        let control = top.join("cgroup.subtree_control");
        if control.exists() {
            fs::write(&control, "+pids").context("write +pids to cgroup.subtree_control")?;
        }
        for (cgroup, point) in cgroups.paths.iter().zip(&mount_points) {
            bind(cgroup, point)?;
        }
        Ok(Self {
            mount_points,
            cgroups,
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        kill_members(&self.mount_points[0]);
        for (cgroup, point) in self.cgroups.paths.iter().zip(&self.mount_points) {
            umount2(point, MntFlags::MNT_DETACH).ok();
            clear(cgroup);
        }
        let mut guards = GUARDS.lock().expect("no thread panics with this lock");
        guards.retain(|path| !self.cgroups.paths.contains(path));
    }
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("mount {} on {}", from.display(), to.display()))
}

fn mount_tmpfs(path: &Path, size: &str) -> Result<()> {
    let options = format!("size={size}");
    let flags = MsFlags::empty();
    mount(
        Some("none"),
        path,
        Some("tmpfs"),
        flags,
        Some(options.as_str()),
    )
    .with_context(|| format!("mount a tmpfs on {}", path.display()))
}

fn remount_read_only(path: &Path) -> Result<()> {
    remount(path, MsFlags::MS_RDONLY).with_context(|| format!("make {} read-only", path.display()))
}

fn remount(path: &Path, flags: MsFlags) -> nix::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags;
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

/// File systems that hold no files of anybody's: the kernel makes them up, or asks for them.
const MADE_UP: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "fusectl",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// Keeps the programs under test from this machine's files.
///
/// A test may delete /etc/passwd, since the program is to have a root filesystem of its own,
/// or one whose changes are thrown away. The one that is tested may have neither.
fn make_files_read_only() -> Result<()> {
    let mounts = mountinfo::read("/proc/thread-self/mountinfo").context("read mountinfo")?;
    for Mount {
        point,
        options,
        kind,
        ..
    } in mounts
    {
        if MADE_UP.contains(&kind.as_str()) {
            continue;
        }
        match remount(&point, MsFlags::MS_RDONLY | kept_flags(&options)) {
            // Nobody can reach it: another mount lies on top, or it is another user's (FUSE).
            Err(Errno::EACCES | Errno::EINVAL | Errno::ENOENT) if point != Path::new("/") => {}
            result => result.with_context(|| format!("make {} read-only", point.display()))?,
        }
    }
    Ok(())
}

/// What a mount does not allow, and must not because it is mounted anew.
fn kept_flags(options: &str) -> MsFlags {
    let flag = |option| match option {
        "nosuid" => MsFlags::MS_NOSUID,
        "nodev" => MsFlags::MS_NODEV,
        "noexec" => MsFlags::MS_NOEXEC,
        "noatime" => MsFlags::MS_NOATIME,
        "nodiratime" => MsFlags::MS_NODIRATIME,
        "relatime" => MsFlags::MS_RELATIME,
        _ => MsFlags::empty(),
    };
    options.split(',').map(flag).collect()
}

/// The folder for all tests of this process. A test cannot remove it: all files are
/// read-only there.
fn scratch() -> Result<PathBuf> {
    let mut scratch = SCRATCH.lock().expect("no thread panics with this lock");
    if let Some(path) = &*scratch {
        return Ok(path.clone());
    }
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    Ok(scratch.insert(folder.keep()).clone())
}

/// Ends all programs under test in this process, and removes their cgroups and the tests'
/// folder: at the end of all tests, and on Ctrl-C. Not for the thread of a test.
///
/// No test can begin after that.
pub fn clear_all() {
    let mut scratch = SCRATCH.lock().expect("no thread panics with this lock");
    let guards = GUARDS.lock().expect("no thread panics with this lock");
    for cgroup in guards.iter() {
        // A test that is running may start its program once more meanwhile.
        eventually("a cgroup to be removed", || {
            clear(cgroup);
            (fs::remove_dir(cgroup).is_ok() || !cgroup.exists()).then_some(())
        })
        .ok();
    }
    if let Some(path) = scratch.take() {
        fs::remove_dir(path).ok();
    }
    // Whoever is about to begin waits for these, until the process has ended.
    mem::forget((scratch, guards));
}

/// Kills what is in the cgroup at `path` and removes the cgroups below it.
fn clear(path: &Path) {
    kill_members(path);
    for child in descendants(path)
        .iter()
        .rev()
        .filter(|child| *child != path)
    {
        // A cgroup stays busy for a moment after its last process has ended.
        eventually("a cgroup to be removed", || fs::remove_dir(child).ok()).ok();
    }
}

fn kill_members(path: &Path) {
    // A process that forks meanwhile is in the list the next time.
    eventually("killed processes to end", || {
        let pids: Vec<i32> = descendants(path)
            .iter()
            .flat_map(|cgroup| members(cgroup))
            .collect();
        for pid in &pids {
            kill(Pid::from_raw(*pid), Signal::SIGKILL).ok();
        }
        pids.is_empty().then_some(())
    })
    .ok();
}

/// The cgroup at `path` and all below it, parents first.
fn descendants(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_path_buf()];
    let mut next = 0;
    while next < found.len() {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        found.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
        next += 1;
    }
    found
}

fn members(cgroup: &Path) -> Vec<i32> {
    let procs = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    procs.lines().filter_map(|pid| pid.parse().ok()).collect()
}

fn all_processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// A line of /proc/PID/status, without its name and the tab that follows.
pub(crate) fn status_of(pid: i32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let mut lines = status.lines().filter_map(|line| line.split_once(":\t"));
    let line = lines.find(|(found, _)| *found == name);
    let (_, value) = line.with_context(|| format!("find {name} in {path}"))?;
    Ok(value.to_owned())
}

fn command_line(pid: i32) -> String {
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&cmdline)
        .replace('\0', " ")
        .trim_end()
        .to_owned()
}

/// The last line of a failure: the chapter that tells about it.
pub fn more_in(step: u8) -> String {
    format!("\nmore in:  step {step} of the book")
}

/// The first thing in which two snapshots differ, in words.
fn difference(before: &Snapshot, now: &Snapshot) -> String {
    if before.hostname != now.hostname {
        let (now, before) = (&now.hostname, &before.hostname);
        return format!("hostname {now} instead of {before}{}", more_in(3));
    }
    if before.files != now.files {
        return format!("files in the working directory: {:?}", now.files);
    }
    let before: BTreeSet<&str> = before.mounts.lines().collect();
    let now: BTreeSet<&str> = now.mounts.lines().collect();
    let new: Vec<_> = now.difference(&before).collect();
    let gone: Vec<_> = before.difference(&now).collect();
    format!(
        "mounts that are new: {new:?}; mounts that are gone: {gone:?}{}",
        more_in(7)
    )
}
