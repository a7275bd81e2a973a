//! Cgroups with limits on processes, memory and processors: cgroup v2, cgroup v1, or both
//! side by side.
//!
//! Read: cgroups(7), and in the kernel's documentation `admin-guide/cgroup-v2.rst`,
//! `admin-guide/cgroup-v1/memory.rst` and `scheduler/sched-bwc.rst`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::{ffi::OsStringExt, fs::MetadataExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::stat::{major, minor};
use nix::unistd::{AccessFlags, access};

/// The cgroups of a container: one in each hierarchy with a controller that it needs. They
/// are removed when this value goes out of scope, on the way out through an error too.
pub struct Cgroups {
    name: String,
    pub paths: Vec<PathBuf>,
}

/// In each period of so many microseconds a limit on processors is counted anew.
const PERIOD: u32 = 100_000;

impl Cgroups {
    /// None as yet: each limit asks for the one that it needs.
    ///
    /// All limits have to be there before anyone joins.
    pub fn new() -> Result<Self> {
        // The PID tells whose it is; the time makes it new, since PIDs come round again.
        let nanoseconds = UNIX_EPOCH.elapsed().context("read the clock")?.as_nanos();
        Ok(Self {
            name: format!("container-{}-{nanoseconds}", process::id()),
            paths: Vec::new(),
        })
    }

    /// Lets at most `max` processes exist at a time.
    pub fn limit_processes(&mut self, max: u32) -> Result<()> {
        let cgroup = self.with_controller("pids")?;
        write(&cgroup.join("pids.max"), &max.to_string())
    }

    /// Lets the processes have `bytes` of memory between them, and no swap: who needs more
    /// is killed.
    pub fn limit_memory(&mut self, bytes: u64) -> Result<()> {
        let cgroup = self.with_controller("memory")?;
        let bytes = bytes.to_string();
        let version_2 = cgroup.join("memory.max");
        if version_2.exists() {
            write(&version_2, &bytes)?;
            return write_if_there(&cgroup.join("memory.swap.max"), "0");
        }
        write(&cgroup.join("memory.limit_in_bytes"), &bytes)?;
        write(&cgroup.join("memory.swappiness"), "0")?;
        // The sum of memory and swap. It can never be less than the limit on memory
        // alone, and so it comes second.
        write_if_there(&cgroup.join("memory.memsw.limit_in_bytes"), &bytes)
    }

    /// Lets the processes run for so many processors' time between them.
    pub fn limit_cpus(&mut self, cpus: f64) -> Result<()> {
        let cgroup = self.with_controller("cpu")?;
        let quota = (cpus * f64::from(PERIOD)) as u64;
        let version_2 = cgroup.join("cpu.max");
        if version_2.exists() {
            return write(&version_2, &format!("{quota} {PERIOD}"));
        }
        write(&cgroup.join("cpu.cfs_period_us"), &PERIOD.to_string())?;
        write(&cgroup.join("cpu.cfs_quota_us"), &quota.to_string())
    }

    /// The container's cgroup in the hierarchy of this controller. In version 2, and where
    /// version 1 mounts several controllers together, it may be there already.
    pub fn with_controller(&mut self, controller: &str) -> Result<PathBuf> {
        let parent = find_parent(controller)?;
        let path = parent.join(&self.name);
        if !self.paths.contains(&path) {
            // On this file system a directory is a cgroup, and mkdir(2) makes one.
            fs::create_dir(&path).map_err(|error| anyhow!(refused(&parent, &error)))?;
            self.paths.push(path.clone());
        }
        enable(controller, &parent)?;
        Ok(path)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for path in &self.paths {
            if let Err(error) = remove(path) {
                let path = path.display();
                writeln!(io::stderr(), "error: remove the cgroup {path}: {error}").ok();
            }
        }
    }
}

/// Removes the directory. The kernel may call it busy for a moment after the last process
/// has ended, so this tries again for a second.
fn remove(path: &Path) -> io::Result<()> {
    for _ in 0..100 {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
    fs::remove_dir(path)
}

/// Moves this process into the cgroup at `path`, where all that it starts is born.
pub fn join(path: &Path) -> Result<()> {
    // 0 stands for the process that writes it.
    write(&path.join("cgroup.procs"), "0")
}

/// Finds the directory in which to make a cgroup with a controller.
///
/// One hierarchy has it. If it is one of version 1, then /proc/self/cgroup says so:
/// `8:pids:/`. The line of version 2 names none: `0::/`.
fn find_parent(controller: &str) -> Result<PathBuf> {
    let cgroups = read(Path::new("/proc/self/cgroup"))
        .context("find our cgroup (takes a /proc: `mount -t proc proc /proc`)")?;
    let mut lines = cgroups.split('\n');
    for line in lines.clone() {
        let controllers = line.split(':').nth(1).unwrap_or_default();
        if controllers.split(',').any(|name| name == controller) {
            return Ok(find_mount("cgroup", controller)?.point);
        }
    }
    let own = lines.find_map(|line| line.strip_prefix("0::"));
    let own = own.context("find a cgroup of version 2 in /proc/self/cgroup")?;
    Ok(find_writable(&find_mount("cgroup2", "")?, &to_path(own)))
}

/// A mounted cgroup hierarchy.
struct Mount {
    /// The cgroup that is seen at the mount point: the top one, or one below it.
    root: PathBuf,
    point: PathBuf,
}

/// Finds a mount by the type of its file system and one of its options, if that is
/// not empty. It has to be seen: over a mount there may be another, and what we made in
/// that would limit nothing.
///
/// proc_pid_mountinfo(5): `36 31 0:33 ROOT POINT rw,relatime - TYPE SOURCE OPTIONS`
fn find_mount(kind: &str, option: &str) -> Result<Mount> {
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let mount = mounts.split('\n').find_map(|line| {
        let (place, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let is_kind = file_system.next()? == kind;
        let mut options = file_system.nth(1)?.split(',');
        let is_wanted = is_kind && (option.is_empty() || options.any(|o| o == option));
        let mut place = place.split(' ').skip(2);
        let device = place.next()?;
        let mut place = place.map(|path| to_path(&unescaped(path)));
        let mount = Mount {
            root: place.next()?,
            point: place.next()?,
        };
        (is_wanted && device_of(&mount.point) == device).then_some(mount)
    });
    mount.with_context(|| {
        let what = format!("find a {kind} file system {option}");
        format!(
            "{}: none is mounted, or another over it; see cgroups(7)",
            what.trim_end()
        )
    })
}

/// In mountinfo a blank, a tab, a newline and a backslash are written so.
fn unescaped(path: &str) -> String {
    let path = path.replace("\\040", " ").replace("\\011", "\t");
    path.replace("\\012", "\n").replace("\\134", "\\")
}

/// The device that the file at `path` is on, as mountinfo has it.
fn device_of(path: &Path) -> String {
    let device = fs::metadata(path).map_or(0, |file| file.dev());
    format!("{}:{}", major(device), minor(device))
}

/// The topmost cgroup, from the mount point down to `own`, that we may write to.
///
/// For root that is the mount point itself. An ordinary user may write only to what
/// has been delegated to them, and move processes only within that.
fn find_writable(mount: &Mount, own: &Path) -> PathBuf {
    let own = own.strip_prefix(&mount.root).unwrap_or(Path::new(""));
    let path: PathBuf = mount.point.components().chain(own.components()).collect();
    path.ancestors()
        .take_while(|cgroup| cgroup.starts_with(&mount.point))
        .filter(|cgroup| access(*cgroup, AccessFlags::W_OK).is_ok())
        .last()
        .unwrap_or(&mount.point)
        .to_path_buf()
}

/// Gives the children of the cgroup at `parent` a controller, and so its files.
fn enable(controller: &str, parent: &Path) -> Result<()> {
    let control = parent.join("cgroup.subtree_control");
    // Version 1 has no such file: there, all have all controllers of their hierarchy.
    if !control.exists() {
        return Ok(());
    }
    let enabled = read(&control)?;
    if enabled.split_whitespace().any(|name| name == controller) {
        return Ok(());
    }
    let offered = read(&parent.join("cgroup.controllers"))?;
    if !offered.split_whitespace().any(|name| name == controller) {
        bail!("{} has no {controller} controller", parent.display());
    }
    // Processes live in the leaves ("no internal processes"). Only the real root is
    // exempt, which has no cgroup.type. Elsewhere the kernel would refuse +memory, or
    // take +pids and then, with EOPNOTSUPP, refuse every process that wants to join.
    if parent.join("cgroup.type").exists() && !read(&parent.join("cgroup.procs"))?.is_empty() {
        bail!(
            "the cgroup {0} holds processes, and so its children cannot have controllers\n\
             Move the processes into a child of their own, and try again:\n  \
             mkdir {0}/init\n  \
             xargs -n1 < {0}/cgroup.procs > {0}/init/cgroup.procs",
            parent.display()
        );
    }
    write(&control, &format!("+{controller}"))
}

/// Says what was refused, why, and what to do about it.
fn refused(parent: &Path, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; without root it takes a delegated cgroup, such as `systemd-run --user --scope \
             -p Delegate=yes` makes for the command that follows"
        }
        ErrorKind::ReadOnlyFilesystem => "; a container needs `--privileged` to write there",
        _ => "",
    };
    format!("make a cgroup in {}: {error}{advice}", parent.display())
}

/// Reads a file of the kernel's. A path in it need not be UTF-8, so that each byte becomes
/// a character: `to_path` makes it bytes again.
fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(bytes.into_iter().map(char::from).collect())
}

fn to_path(text: &str) -> PathBuf {
    OsString::from_vec(text.chars().map(|byte| byte as u8).collect()).into()
}

/// Writes to a file that the kernel has made: one that we made would limit nothing.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let file = fs::File::options().write(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {text} to {}", path.display()))
}

/// Without a kernel that counts swap there are no files about it.
fn write_if_there(path: &Path, text: &str) -> Result<()> {
    if path.exists() {
        write(path, text)?;
    }
    Ok(())
}
