//! A cgroup with a cap on its processes: make it, join it, remove it.
//!
//! The lesson is in this file. `hierarchy.rs` comes second: it finds the place for a cgroup in
//! the tree, or trees, of this machine.
//!
//! Read: cgroups(7), and in the kernel's documentation `admin-guide/cgroup-v2.rst`
//! and `admin-guide/cgroup-v1/pids.rst`.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::hierarchy::{self, write};

/// A cgroup of our own. It is removed when this value goes out of scope, on the way
/// out through an error too.
pub struct Cgroup {
    pub path: PathBuf,
}

impl Cgroup {
    /// Makes a cgroup in which at most `max` processes can exist at a time.
    ///
    /// Only fork(2) asks for the cap, so it has to be there before anyone joins.
    pub fn with_cap(max: u32) -> Result<Self> {
        let parent = hierarchy::find_parent("pids")?;
        // The PID tells whose it is; the time makes it new, since PIDs come round again.
        let nanoseconds = UNIX_EPOCH.elapsed().context("read the clock")?.as_nanos();
        let path = parent.join(format!("container-{}-{nanoseconds}", process::id()));
        // On this file system a directory is a cgroup, and mkdir(2) makes one.
        fs::create_dir(&path).map_err(|error| hierarchy::refused(&parent, &error))?;
        let cgroup = Self { path };
        hierarchy::enable("pids", &parent)?;
        write(&cgroup.path.join("pids.max"), &max.to_string())?;
        Ok(cgroup)
    }

    /// Removes the directory. The kernel may call it busy for a moment after the
    /// last process has ended, so this tries again for a second.
    fn remove(&self) -> io::Result<()> {
        for _ in 0..100 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    thread::sleep(Duration::from_millis(10));
                }
                result => return result,
            }
        }
        fs::remove_dir(&self.path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            let path = self.path.display();
            writeln!(io::stderr(), "error: remove the cgroup {path}: {error}").ok();
        }
    }
}

/// Moves this process into the cgroup at `path`, where all that it starts is born.
pub fn join(path: &Path) -> Result<()> {
    // 0 stands for the process that writes it.
    write(&path.join("cgroup.procs"), "0")
}
