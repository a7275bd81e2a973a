//! The machine as a program under test sees it: a hostname, mounts and a cgroup to play with.
//!
//! Each test has UTS, mount, network and IPC namespaces of its own, and is in a PID and a
//! cgroup namespace of its own (see `fence` and `guard`). For the program that *is* the host:
//! what changes there has leaked. The program's own files are all that it can write; what the
//! kernel keeps for the whole machine, and root can reach, is named in book/src/check.md.
//!
//! Read: unshare(2), namespaces(7).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use course::SLOWNESS;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{gethostname, sethostname};
use rustix::fs::fstatfs;
use tempfile::TempDir;

use crate::fence;
use crate::guard::{self, Guard};
use crate::mountinfo::{self, Mount};
use crate::variables;

/// The hostname outside the container.
pub const HOSTNAME: &str = "outside";

/// An empty folder, on which each test mounts a file system of its own.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// In the environment of a test's process: that folder, which the suite has made.
pub(crate) const SCRATCH: &str = "TESTKIT_SCRATCH";

/// Time limits are made for a machine like the author's. `TEST_SLOWNESS=30` says that
/// this one is 30 times slower: a virtual machine without KVM is.
pub fn scaled(milliseconds: u64) -> Duration {
    let factor = variables::get(SLOWNESS).and_then(|factor| factor.to_str()?.parse().ok());
    Duration::from_millis(milliseconds) * factor.unwrap_or(1)
}

/// A time limit that is longer on a machine with other work to do: while ten processes share
/// a processor, ten seconds count for one. But not if all that could go on is asleep.
pub struct Patience {
    left: Duration,
    last: Instant,
}

impl Patience {
    /// For so long, on a machine that has nothing else to do.
    pub fn new(milliseconds: u64) -> Self {
        Self {
            left: scaled(milliseconds),
            last: Instant::now(),
        }
    }

    /// Has to be asked often.
    pub fn is_over(&mut self) -> bool {
        let passed = self.last.elapsed();
        if passed > Duration::from_millis(20) {
            let crowd = if is_anything_running() { crowd() } else { 1 };
            self.left = self.left.saturating_sub(passed / crowd);
            self.last = Instant::now();
        }
        self.left.is_zero()
    }
}

/// How many processes share a processor now. `0.20 0.18 0.12 RUNNING/ALL LAST`
fn crowd() -> u32 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running = load.split([' ', '/']).nth(3);
    let running = running.and_then(|count| count.parse::<u32>().ok());
    let processors = thread::available_parallelism().map_or(1, |count| count.get() as u32);
    (running.unwrap_or(1) / processors).clamp(1, 6)
}

/// Whether one of the processes that a test can see is running, waits for a processor, or is
/// busy in the kernel. Outside, all of the machine can be seen, and so it is.
fn is_anything_running() -> bool {
    let own = std::process::id().to_string();
    let is_running = |pid: &i32| {
        // proc_pid_stat(5): `4711 (sleep) S …`
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default();
        pid.to_string() != own && state.starts_with(['R', 'D'])
    };
    !fence::is_inside() || all_processes().iter().any(is_running)
}

/// Waits until `look` finds something, and says `what` was missing if it never does.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let mut patience = Patience::new(LONG);
    loop {
        // In this order: what came while we slept has come.
        let is_over = patience.is_over();
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(
            !is_over,
            "expected: {what}\nseen:     nothing of the kind within {:?}",
            scaled(LONG)
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process has ended, and its parent has not asked for its status.
pub fn is_zombie(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("\nState:\tZ")
}

/// What nothing takes that a test waits for.
pub const LONG: u64 = 5_000;

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
    /// The cgroups that hold what is started here. `None` without root.
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

impl Host {
    /// Moves the calling thread, for good, to a host of its own.
    ///
    /// Without root that cannot be done. For a program that needs no root there is nothing
    /// to guard then, and it gets this machine as it is.
    pub fn enter(needs_root: bool) -> Result<Self> {
        let scratch = scratch()?;
        // Before a program can mount anything where this looks.
        let inside = match fence::is_inside() {
            true => Some(Guard::as_mounted(fence::limits()?)?),
            false => None,
        };
        let namespaces = CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC;
        match unshare(namespaces) {
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
            Err(errno) => {
                return Err(errno).context("unshare the UTS, mount, network and IPC namespaces");
            }
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
        let guard = match inside {
            Some(guard) => guard,
            None => {
                let guard = Guard::make().context("make a cgroup for the program under test")?;
                guard.cover()?;
                guard
            }
        };
        bring_lo_up(&scratch)?;
        // In memory, since some tests fill it with a whole root filesystem.
        mount_tmpfs(&scratch, "100m")?;
        if fence::is_inside() {
            make_settings_read_only(&scratch)?;
        }
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
        if fence::is_inside() {
            fence::say(&format!("ran:      {report}"));
        }
        *self
            .last_run
            .lock()
            .expect("no thread panics with this lock") = report;
    }

    /// Makes a failure say what was run, expected and seen, if it does not.
    pub fn complete(&self, error: Error) -> Error {
        let mut text = format!("{error:#}");
        if text.contains("ran: ") && text.contains("expected: ") {
            return error;
        }
        if !text.contains("expected: ") {
            text = format!("expected: that the test can go on\nseen:     {text}");
            if !self.folder.path().exists() {
                text += "; the folder of the test is gone, or something is mounted over it";
                text += &more_in(7);
            }
        }
        match text.contains("ran: ") {
            true => anyhow!(text),
            false => self.after_last_run(text),
        }
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

    /// The files that a process writes `0` to before it becomes the program under test, so
    /// that it is in the test's cgroups. None in a process that is there already.
    pub fn entrances(&self) -> Vec<PathBuf> {
        let guard = self.guard.as_ref().filter(|_| !fence::is_inside());
        guard.map(Guard::entrances).unwrap_or_default()
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

    /// The cgroups that the program under test has made, in any hierarchy.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        self.guard.as_ref().map(Guard::cgroups).unwrap_or_default()
    }

    /// All processes that came from a program under test, by the host's numbers.
    pub fn processes(&self) -> Vec<i32> {
        let processes = self.guard.as_ref().map(Guard::processes);
        processes.unwrap_or_default()
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
        let guard = self.guard.as_ref();
        let found = guard.and_then(|guard| guard.cgroup_of(pid));
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

    /// Lets every user get to the folder `path`: an empty folder covers the one above it that
    /// is closed to others, and has nothing in it but the way.
    pub fn open_the_way_to(&self, path: &Path) -> Result<()> {
        let path = path.canonicalize().context("find a folder")?;
        let is_closed = |folder: &&Path| {
            let mode = fs::metadata(folder).map(|folder| folder.permissions().mode());
            mode.is_ok_and(|mode| mode & 1 == 0)
        };
        let closed = path.ancestors().skip(1).filter(is_closed).last();
        let (Some(closed), true) = (closed, self.guard.is_some()) else {
            return Ok(());
        };
        let folder = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        mount_tmpfs(closed, "1m")?;
        fs::set_permissions(closed, fs::Permissions::from_mode(0o755))
            .context("let every user in")?;
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        bind(
            &PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())),
            &path,
        )
    }

    /// Lets programs write to the folder `path`, and throws away with the test what they have
    /// written. Not every file system can lie below an overlay: then the folder is read-only,
    /// and also if it is on an overlay itself, and `program_makes_one` on top of it.
    pub fn copy_on_write(&self, path: &Path, program_makes_one: bool) -> Result<()> {
        let lower = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let kind = fstatfs(&lower)
            .context("look at the root filesystem")?
            .f_type;
        if self.guard.is_none() || (program_makes_one && kind as u64 == OVERLAY) {
            return Ok(());
        }
        let folder = self.make_folder()?.keep();
        let [upper, work] = ["upper", "work"].map(|name| folder.join(name));
        let mode = lower.metadata().context("look at the root filesystem")?;
        for folder in [&upper, &work] {
            fs::create_dir(folder).context("make a folder for an overlay")?;
        }
        fs::set_permissions(&upper, mode.permissions()).context("give it the same mode")?;
        // A descriptor has no colon in its name.
        let options = format!(
            "lowerdir=/proc/self/fd/{},upperdir={},workdir={}",
            lower.as_raw_fd(),
            upper.display(),
            work.display()
        );
        let (name, flags) = (Some("overlay"), MsFlags::empty());
        mount(name, path, name, flags, Some(options.as_str())).ok();
        Ok(())
    }

    /// A /proc in which the settings can be written, for a test that does so in a namespace
    /// that has its own.
    pub fn proc(&self) -> PathBuf {
        self.scratch.join(PROC)
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
        self.guard
            .as_ref()
            .is_some_and(|guard| guard.has_file(file))
    }

    /// Makes the cgroup file systems read-only for the programs started from now on.
    pub fn make_cgroups_read_only(&self) -> Result<()> {
        let guard = self.guard.as_ref();
        let guard = guard.context("there is no cgroup to make read-only")?;
        guard.make_read_only()
    }

    /// Makes room for so many more processes, threads included.
    pub fn allow_processes(&self, max: u32) -> Result<()> {
        match &self.guard {
            Some(guard) => guard.allow_processes(max),
            None => Ok(()),
        }
    }

    /// Ends every process that came from the program under test.
    pub fn kill_all(&self) {
        if let Some(guard) = &self.guard {
            guard.kill_all();
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

pub(crate) const NEEDS_ROOT: &str = "\
    this test needs root: run `cargo test` as root, or let cargo be root for the tests: \
    `cargo run --bin doctor` shows how";

pub(crate) fn bind(from: &Path, to: &Path) -> Result<()> {
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

pub(crate) fn remount_read_only(path: &Path) -> Result<()> {
    remount(path, MsFlags::MS_RDONLY).with_context(|| format!("make {} read-only", path.display()))
}

fn remount(path: &Path, flags: MsFlags) -> nix::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags;
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

/// File systems that a program has to write to, and those that hold nothing to write.
const WRITABLE: &[&str] = &[
    "autofs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "nsfs",
    "proc",
    "selinuxfs",
];

/// Keeps the programs under test from this machine's files, and from the settings in /sys.
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
        if WRITABLE.contains(&kind.as_str()) {
            continue;
        }
        match remount(&point, MsFlags::MS_RDONLY | flags_of(&options)) {
            // Nobody can reach it: another mount lies on top, or it is another user's (FUSE).
            Err(Errno::EACCES | Errno::EINVAL | Errno::ENOENT) if point != Path::new("/") => {}
            result => result.with_context(|| format!("make {} read-only", point.display()))?,
        }
    }
    Ok(())
}

/// What a mount does not allow, and must not because it is mounted anew.
pub(crate) fn flags_of(options: &str) -> MsFlags {
    let flag = |option| match option {
        "ro" => MsFlags::MS_RDONLY,
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

/// Where there is a /proc with settings that can be written, in the scratch folder.
const PROC: &str = "proc";

/// What statfs(2) calls an overlay.
const OVERLAY: u64 = 0x794c_7630;

/// What in /proc is about the whole machine.
const SETTINGS: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Keeps the programs under test from the machine's settings.
///
/// A user namespace may mount a /proc only where there is one with nothing mounted in it
/// (`mount_too_revealing` in the kernel). So there is another, out of the way.
fn make_settings_read_only(scratch: &Path) -> Result<()> {
    let whole = scratch.join(PROC);
    fs::create_dir(&whole).context("make a folder")?;
    mount(
        Some("proc"),
        &whole,
        Some("proc"),
        MsFlags::empty(),
        None::<&str>,
    )
    .context("mount proc a second time")?;
    for name in SETTINGS {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            bind(&path, &path)?;
            remount_read_only(&path)?;
        }
    }
    Ok(())
}

/// A network namespace begins with a loopback device that is down. In /sys it can be brought
/// up, but only in one that was mounted in this namespace.
fn bring_lo_up(place: &Path) -> Result<()> {
    let flags = MsFlags::empty();
    mount(Some("none"), place, Some("sysfs"), flags, None::<&str>).context("mount sysfs")?;
    // IFF_UP, see netdevice(7).
    let brought = fs::write(place.join("class/net/lo/flags"), "1").context("bring lo up");
    umount2(place, MntFlags::MNT_DETACH).context("unmount sysfs")?;
    brought
}

/// The folder for all tests of this suite. A test cannot remove it: all files are
/// read-only there.
pub(crate) fn scratch() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(SCRATCH) {
        return Ok(path.into());
    }
    let mut scratch = FOLDER.lock().expect("no thread panics with this lock");
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
    guard::remove_all();
    let mut scratch = FOLDER.lock().expect("no thread panics with this lock");
    if let Some(path) = scratch.take() {
        fs::remove_dir(path).ok();
    }
    // Whoever is about to begin waits for this, until the process has ended.
    std::mem::forget(scratch);
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
