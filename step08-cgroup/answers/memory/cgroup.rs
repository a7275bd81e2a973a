//! Cgroups with limits on processes, memory and processors.
//!
//! Read: cgroups(7), and in the kernel's documentation `admin-guide/cgroup-v2.rst`,
//! `admin-guide/cgroup-v1/memory.rst` and `scheduler/sched-bwc.rst`.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::hierarchy::{self, read, write};

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
        let parent = hierarchy::find_parent(controller)?;
        let path = parent.join(&self.name);
        if !self.paths.contains(&path) {
            // On this file system a directory is a cgroup, and mkdir(2) makes one.
            fs::create_dir(&path).map_err(|error| hierarchy::refused(&parent, &error))?;
            self.paths.push(path.clone());
        }
        // Version 1 has no such file: there, the hierarchy is the controller's.
        let offered = parent.join("cgroup.controllers");
        if offered.exists()
            && !read(&offered)?
                .split_whitespace()
                .any(|name| name == controller)
        {
            bail!("{} has no {controller} controller", parent.display());
        }
        hierarchy::enable(controller, &parent)?;
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

/// Without a kernel that counts swap there are no files about it.
fn write_if_there(path: &Path, text: &str) -> Result<()> {
    if path.exists() {
        write(path, text)?;
    }
    Ok(())
}
