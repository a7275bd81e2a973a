//! The containers that are there: for each a folder, with these files.
//!
//! - `supervisor`: locked by the supervisor as long as that lives, however it ends
//! - `command`: what was executed
//! - `log`: what it has written
//! - `cgroups`: a link, whose text is the paths of its cgroups, each on a line
//! - `status`: a link, whose text is the exit status, once it has ended
//!
//! Read: fcntl_locking(2), flock(2), symlink(2).

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::iter;
use std::os::unix::{ffi::OsStrExt, fs::DirBuilderExt, fs::symlink};
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc;
use nix::unistd::Pid;

const LOCK: &str = "supervisor";

/// All these files. The command goes first: if we are killed then, the rest is nobody's.
const FILES: [&str; 6] = ["command", "command.new", "log", "cgroups", "status", LOCK];

pub struct Container {
    pub folder: PathBuf,
}

pub enum State {
    /// By this supervisor, which knows how it will have ended.
    Running(Pid),
    Exited(String),
    /// Nobody was left to see how it ended.
    Lost,
}

/// The folder with all containers.
fn folder() -> Result<PathBuf> {
    let folder = env::var_os("STATE").unwrap_or_else(|| "/run/containers-from-scratch".into());
    let what = || format!("make the folder {}", folder.to_string_lossy());
    let mut private = DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(&folder).with_context(what)?;
    path::absolute(&folder).with_context(what)
}

/// Waits until nobody else makes, removes or lists containers. That lasts until the result
/// goes out of scope, or its process is killed.
fn alone() -> Result<Flock<File>> {
    let folder = File::open(folder()?).context("open the folder of all containers")?;
    let lock = Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, errno)| errno);
    lock.context("lock the folder of all containers")
}

impl Container {
    /// The container with a name, whether there is one or not.
    pub fn named(name: &str) -> Result<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_'].contains(&c);
        let is_option = name.starts_with('-');
        if is_option || !(1..=64).contains(&name.len()) || !name.chars().all(is_plain) {
            bail!("a name is 1 to 64 of a-z, A-Z, 0-9, _ and, not first, -; `{name}` is none");
        }
        let folder = folder()?.join(name);
        Ok(Self { folder })
    }

    /// The container with a name, if there is one.
    pub fn find(name: &str) -> Result<Self> {
        let container = Self::named(name)?;
        if !container.is_whole() {
            bail!("there is no container {name}; `ps` lists all");
        }
        Ok(container)
    }

    /// Makes one, which is running until the file is closed.
    pub fn create(name: &str, argv: &[OsString]) -> Result<(Self, File)> {
        let container = Self::named(name)?;
        let _alone = alone()?;
        if container.is_whole() {
            bail!("there is a container {name} already: take another name, or `rm` that one");
        }
        if container.is_left() {
            container.delete()?;
        }
        let what = || format!("make {}", container.folder.display());
        let lock = container.fill(argv).with_context(what)?;
        Ok((container, lock))
    }

    fn fill(&self, argv: &[OsString]) -> Result<File> {
        // An empty one is all that somebody has left who was killed here.
        fs::remove_dir(&self.folder).ok();
        fs::create_dir(&self.folder)?;
        let lock = File::create(self.folder.join(LOCK))?;
        fcntl(&lock, FcntlArg::F_SETLK(&write_lock()))?;
        self.open_log()?;
        // rename(2) happens at once or not at all. Whoever is killed before, or has a full
        // disk, leaves a folder without a command, which is nobody's.
        let new = self.folder.join("command.new");
        fs::write(&new, argv.join(OsStr::new(" ")).as_bytes())?;
        fs::rename(new, self.folder.join("command"))?;
        Ok(lock)
    }

    fn is_whole(&self) -> bool {
        self.folder.join("command").exists()
    }

    /// Whether somebody was killed who was making or removing it.
    fn is_left(&self) -> bool {
        !self.is_whole() && self.folder.join(LOCK).exists()
    }

    /// Asks the kernel who has the lock. It takes it back from a process that is killed, and
    /// so this cannot be wrong, as the PID in a file can: PIDs come round again.
    pub fn state(&self) -> Result<State> {
        let file = File::open(self.folder.join(LOCK)).context("open the container's lock")?;
        let mut lock = write_lock();
        fcntl(&file, FcntlArg::F_GETLK(&mut lock)).context("ask who has the container's lock")?;
        if lock.l_type != libc::F_UNLCK as libc::c_short {
            return Ok(State::Running(Pid::from_raw(lock.l_pid)));
        }
        match fs::read_link(self.folder.join("status")) {
            Ok(status) => Ok(State::Exited(status.to_string_lossy().into())),
            Err(_) => Ok(State::Lost),
        }
    }

    pub fn is_running(&self) -> Result<bool> {
        Ok(matches!(self.state()?, State::Running(_)))
    }

    pub fn open_log(&self) -> Result<File> {
        let mut options = File::options();
        let log = options.append(true).create(true);
        let log = log.open(self.folder.join("log"));
        log.context("open the container's log")
    }

    pub fn read_log(&self) -> Result<File> {
        let log = File::open(self.folder.join("log"));
        log.context("open the container's log")
    }

    /// Keeps in mind which cgroups to remove if the supervisor is killed.
    pub fn set_cgroups(&self, paths: &[PathBuf]) -> Result<()> {
        let paths: Vec<&OsStr> = paths.iter().map(|path| path.as_os_str()).collect();
        let link = self.folder.join("cgroups");
        symlink(paths.join(OsStr::new("\n")), link).context("write down the cgroups")
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        // There is none yet.
        let paths = fs::read_link(self.folder.join("cgroups")).unwrap_or_default();
        let paths = paths.as_os_str().as_bytes().split(|byte| *byte == b'\n');
        let paths = paths.filter(|path| !path.is_empty());
        paths.map(|path| OsStr::from_bytes(path).into()).collect()
    }

    /// All its processes, but the supervisor.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        // Each of them is in each of the cgroups, as long as these are there.
        let file = self.cgroups().first().map(|path| path.join("cgroup.procs"));
        let pids = file.and_then(|file| fs::read_to_string(file).ok());
        let pids = pids.unwrap_or_default();
        let pids = pids.lines().map(|pid| Ok(Pid::from_raw(pid.parse()?)));
        pids.collect()
    }

    /// Unlike a file, a link is made with its text or not at all, and takes no block of a disk
    /// that may be full.
    pub fn set_status(&self, code: u8) -> Result<()> {
        let status = self.folder.join("status");
        symlink(code.to_string(), status).context("write down the exit status")
    }

    /// Removes what a supervisor that was killed has left of its container.
    fn tidy_up(&self) -> Result<()> {
        if !self.is_running()? {
            self.cgroups()
                .iter()
                .try_for_each(|path| remove_cgroup(path))?;
        }
        Ok(())
    }

    /// Removes the container, unless it is running.
    pub fn remove(&self) -> Result<()> {
        let _alone = alone()?;
        if self.is_running()? {
            bail!("it is running: `stop` it first");
        }
        self.tidy_up()?;
        self.delete()
    }

    /// Forgets a container of our own, of which nothing ever was running.
    pub fn forget(&self) -> Result<()> {
        let _alone = alone()?;
        self.delete()
    }

    /// Removes what is ours, and no more: `STATE` may name somebody's folder by mistake.
    fn delete(&self) -> Result<()> {
        let files = FILES
            .iter()
            .map(|name| fs::remove_file(self.folder.join(name)));
        for result in files.chain(iter::once_with(|| fs::remove_dir(&self.folder))) {
            match result {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => result.with_context(|| format!("remove {}", self.folder.display()))?,
            }
        }
        Ok(())
    }
}

/// All containers, in the order of their names, each on a line.
pub fn list() -> Result<Vec<String>> {
    let _alone = alone()?;
    let what = "list the folder of all containers";
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder()?).context(what)? {
        let folder = entry.context(what)?.path();
        let container = Container { folder };
        if container.is_left() {
            container.delete()?;
        }
        if !container.is_whole() {
            continue;
        }
        container.tidy_up()?;
        let name = container.folder.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let state = match container.state()? {
            State::Running(_) => "running".to_owned(),
            State::Exited(status) => format!("exited {status}"),
            State::Lost => "lost".to_owned(),
        };
        let command = fs::read(container.folder.join("command")).context("read the command")?;
        let command = String::from_utf8_lossy(&command).replace(char::is_control, "?");
        lines.push(format!("{name:<12}  {state:<10}  {command}"));
    }
    lines.sort();
    Ok(lines)
}

/// Removes a cgroup, if it is there. The kernel may still be ending what is in it.
fn remove_cgroup(path: &Path) -> Result<()> {
    for _ in 0..100 {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result.with_context(|| format!("remove {}", path.display())),
        }
    }
    bail!("remove the cgroup {}: it is busy", path.display())
}

/// A lock on a whole file, for writing.
fn write_lock() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
