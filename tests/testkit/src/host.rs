//! The machine as a program under test sees it: a hostname, mounts and a cgroup to play with.
//!
//! Each test has UTS, mount, network and IPC namespaces of its own, and is in a PID and a
//! cgroup namespace of its own (see `fence` and `guard`). For the program that *is* the host:
//! what changes there has leaked. The program's own files are all that it can write; what the
//! kernel keeps for the whole machine, and root can reach, is named in book/src/check.md.
//!
//! Read: unshare(2), namespaces(7).

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use anyhow::{Context, Error, Result};
use contract::failure::Failure;
use kernelfiles::process;
use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;
use tempfile::TempDir;

use crate::guard::Guard;
use crate::inside;
use crate::mounts::{self, Exposed};
use crate::patience::{eventually, until};
use crate::scratch;
use crate::snapshot::Snapshot;

/// The hostname outside the container.
pub const HOSTNAME: &str = "outside";

/// Where there is a /proc with settings that can be written, in the scratch folder.
const PROC: &str = "proc";

/// The host of one test.
pub struct Host {
    /// A folder that is empty at first: the working directory of every program that is started.
    pub folder: TempDir,
    /// Where files can be made that are in nobody's way. All others are read-only, with root.
    pub scratch: PathBuf,
    /// The cgroups that hold what is started here. `None` without root.
    guard: Option<Guard>,
    /// What was run last, and what it said: some failures are seen at the host alone.
    last_run: Mutex<Failure>,
}

impl Host {
    /// Moves the calling thread, for good, to a host of its own.
    ///
    /// Without root that cannot be done. For a program that needs no root there is nothing
    /// to guard then, and it gets this machine as it is.
    pub fn enter(needs_root: bool) -> Result<Self> {
        let scratch = scratch::folder()?;
        // Before a program can mount anything where this looks.
        let inside = match inside::is_inside() {
            true => Some(Guard::as_mounted(inside::limits()?)?),
            false => None,
        };
        let namespaces = CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC;
        let guard = match unshare(namespaces) {
            Ok(()) => Some(make_namespaces(&scratch, inside)?),
            Err(Errno::EPERM) if needs_root => return Err(Failure::needs_root().into()),
            Err(Errno::EPERM) => None,
            Err(errno) => {
                return Err(errno).context("unshare the UTS, mount, network and IPC namespaces");
            }
        };
        let folder = tempfile::tempdir_in(&scratch).context("make a working directory")?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777))
            .context("let every user into the working directory")?;
        Ok(Self {
            // Without root, all tests share the other one.
            scratch: match guard {
                Some(_) => scratch,
                None => folder.path().to_path_buf(),
            },
            folder,
            guard,
            last_run: Mutex::default(),
        })
    }

    /// Tells what was run, with what it has said by now, for a failure that is seen at the
    /// host alone.
    pub fn remember(&self, run: Failure) {
        if inside::is_inside() {
            inside::say(&run.to_string());
        }
        *self.last_run() = run;
    }

    /// The command line that was run last.
    pub fn last_ran(&self) -> String {
        self.last_run().ran.clone()
    }

    fn last_run(&self) -> MutexGuard<'_, Failure> {
        let last_run = self.last_run.lock();
        last_run.expect("no thread panics with this lock")
    }

    /// Makes a failure say what was run, if it does not.
    pub fn complete(&self, error: &Error) -> Failure {
        let mut failure = Failure::of(error);
        let is_lost = error.downcast_ref::<Failure>().is_none();
        if is_lost && !self.folder.path().exists() {
            failure.seen += "; the folder of the test is gone, or something is mounted over it";
            failure.chapter = Some(7);
        }
        if failure.ran.is_empty() {
            let last_run = self.last_run();
            failure.ran.clone_from(&last_run.ran);
            failure.said.splice(..0, last_run.said.iter().cloned());
        }
        failure
    }

    /// The files that a process writes `0` to before it becomes the program under test, so
    /// that it is in the test's cgroups. None in a process that is there already.
    pub fn entrances(&self) -> Vec<PathBuf> {
        let guard = self.guard.as_ref().filter(|_| !inside::is_inside());
        guard.map(Guard::entrances).unwrap_or_default()
    }

    /// What must be the same before, while, and after a container runs.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(self.folder.path())
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
        let what = format!("a process `{}` on the host", argv.join(" "));
        eventually(&what, || {
            // Without a cgroup to look into, any process of this machine may be it.
            let pids = match self.guard {
                Some(_) => self.processes(),
                None => process::all().collect(),
            };
            pids.into_iter().find(|pid| process::argv(pid) == argv)
        })
    }

    /// The host's number for PID 1 of the container whose command is process `pid`: that
    /// same process, or the one that has started it.
    pub fn init_of(&self, pid: i32) -> Result<i32> {
        // Only what came from the program: without a PID namespace, PID 1 is this machine's.
        let ours = self.processes();
        for pid in [pid, process::parent(pid)?] {
            if ours.contains(&pid) && process::pids(pid)?.last() == Some(&1) {
                return Ok(pid);
            }
        }
        let what = format!("PID 1 for process {pid} or its parent");
        Err(Failure::new(what, "other PIDs in NSpid").into())
    }

    /// The folder of the cgroup that process `pid` is in.
    pub fn cgroup_of(&self, pid: i32) -> Result<PathBuf> {
        let guard = self.guard.as_ref();
        let found = guard.and_then(|guard| guard.cgroup_of(pid));
        found.ok_or_else(|| {
            let what = format!("process {pid} in a cgroup of its container");
            let mut failure = Failure::new(what, format!("these cgroups: {:?}", self.cgroups()));
            let seen = process::text(pid, "cgroup").unwrap_or_default();
            failure.said.push((format!("/proc/{pid}/cgroup"), seen));
            failure.into()
        })
    }

    /// Fails unless every process that came from the program, and every cgroup, is gone.
    pub fn expect_nothing_left(&self) -> Result<()> {
        let is_over = || self.processes().is_empty() && self.cgroups().is_empty();
        until("all to end", is_over).map_err(|_| {
            let cgroups = self.cgroups();
            Error::from(Failure {
                chapter: (!cgroups.is_empty()).then_some(8),
                ..Failure::new(
                    "no process and no cgroup is left",
                    format_args!("{}, cgroups {cgroups:?}", self.left()),
                )
            })
        })
    }

    /// Fails unless all processes that came from the program end, whatever else is left.
    pub fn expect_no_process_left(&self, what: &str) -> Result<()> {
        until(what, || self.processes().is_empty())
            .map_err(|_| Failure::new(what, self.left()).into())
    }

    /// The processes that came from the program, each with its state: proc_pid_stat(5).
    fn left(&self) -> String {
        let about = |pid: i32| {
            let words = process::argv(pid).join(OsStr::new(" "));
            format!("{words:?} ({})", process::state(pid).unwrap_or('X'))
        };
        let left: Vec<_> = self.processes().into_iter().map(about).collect();
        format!("processes [{}]", left.join(", "))
    }

    /// Fails unless hostname, mounts and files are as they were at `before`.
    pub fn expect_unchanged(&self, before: &Snapshot) -> Result<()> {
        before.expect_same(&self.snapshot()?)
    }

    /// Mounts the folder `path` a second time, where every user can reach it.
    pub fn expose(&self, path: &Path) -> Result<Exposed> {
        Exposed::at(self.make_folder()?.keep(), path)
    }

    /// Lets every user get to the folder `path`.
    pub fn open_the_way_to(&self, path: &Path) -> Result<()> {
        match self.guard {
            Some(_) => mounts::open_the_way_to(path),
            None => Ok(()),
        }
    }

    /// Lets programs write to the folder `path`, and throws away with the test what they have
    /// written, if that can be: see [`mounts::copy_on_write`].
    pub fn copy_on_write(&self, path: &Path, program_makes_one: bool) -> Result<()> {
        match self.guard {
            Some(_) => mounts::copy_on_write(path, &self.make_folder()?.keep(), program_makes_one),
            None => Ok(()),
        }
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
        mounts::mount_tmpfs(path, size)
    }

    /// What names a namespace of the host, such as `uts:[4026531838]`.
    pub fn namespace(&self, kind: &str) -> Result<String> {
        process::namespace("thread-self", kind)
    }

    /// Makes the folder `path` read-only for the programs started from now on.
    pub fn make_read_only(&self, path: &Path) -> Result<()> {
        mounts::bind(path, path)?;
        mounts::remount_read_only(path)
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
            mounts::unmount_all(&self.scratch);
        }
    }
}

/// Makes of the namespaces that the calling thread is in since just now a host, and returns
/// the cgroups for it.
fn make_namespaces(scratch: &Path, inside: Option<Guard>) -> Result<Guard> {
    sethostname(HOSTNAME).context("set the hostname of the test's own UTS namespace")?;
    // First cut off from the real host, then shared, as systemd has it: so a mount
    // that a program does not keep to itself shows up here, and nowhere else.
    mounts::propagate(MsFlags::MS_PRIVATE)?;
    mounts::propagate(MsFlags::MS_SHARED)?;
    mounts::make_files_read_only()?;
    let guard = match inside {
        Some(guard) => guard,
        None => {
            let guard = Guard::make()?;
            guard.cover()?;
            guard
        }
    };
    mounts::bring_lo_up(scratch)?;
    // In memory, since some tests fill it with a whole root filesystem.
    mounts::mount_tmpfs(scratch, "100m")?;
    if inside::is_inside() {
        mounts::make_settings_read_only(&scratch.join(PROC))?;
    }
    Ok(guard)
}
