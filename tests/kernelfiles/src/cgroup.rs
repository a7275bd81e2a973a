//! Cgroups, in version 1, in version 2, and where both are mounted: which one a process is in,
//! and how to make one, wherever on this machine that can be. cgroups(7).

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::unistd::{AccessFlags, access};

use crate::mountinfo::{self, Mount};

/// The hierarchy in which a controller is, as it is mounted here.
pub struct Hierarchy {
    pub mount: Mount,
    /// The cgroup of the process that was asked about, as the kernel calls it.
    own: PathBuf,
}

/// Finds the hierarchy in which a process's cgroup has a controller, or would have it.
///
/// # Errors
///
/// If there is no /proc, or if the hierarchy is not mounted, or something else over it.
pub fn hierarchy(pid: impl fmt::Display, controller: &str) -> Result<Hierarchy> {
    let text = crate::process::read(&pid, "cgroup")?;
    // `8:pids:/PATH` in version 1; `0::/PATH` in version 2, which names none.
    let find = |controller: &str| {
        text.split(|byte| *byte == b'\n').find_map(|line| {
            let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
            let mut names = fields.next()?.split(|byte| *byte == b',');
            let is_there = names.any(|name| name == controller.as_bytes());
            is_there.then_some(OsStr::from_bytes(fields.next()?).into())
        })
    };
    let first = find(controller);
    let (kind, what) = match first {
        Some(_) => ("cgroup", format!("cgroup file system {controller}")),
        None => ("cgroup2", "cgroup2 file system".to_owned()),
    };
    let own = first.or_else(|| find(""));
    let own: PathBuf = own.with_context(|| format!("find the cgroup of process {pid}"))?;
    let mut mounts = mountinfo::read(crate::process::path("self", "mountinfo"))?;
    mounts.retain(|mount| {
        let is_hierarchy = mount.kind == kind && (kind == "cgroup2" || mount.has(controller));
        is_hierarchy && mount.is_seen()
    });
    // Where a part of the hierarchy lies on top of the whole, that part is what is seen.
    let inner = |mount: &Mount| {
        let is_above = own.starts_with(&mount.root);
        is_above.then(|| mount.root.components().count())
    };
    let mount = mounts.into_iter().rev().max_by_key(inner);
    let mount = mount.ok_or(Unmade::NotMounted(what))?;
    Ok(Hierarchy { mount, own })
}

impl Hierarchy {
    /// The folder of the process's own cgroup, unless it lies outside of what is mounted.
    pub fn folder(&self) -> Option<PathBuf> {
        let below = self.own.strip_prefix(&self.mount.root).ok()?;
        // No `/` at the end, as join would leave it.
        let point = self.mount.point.components();
        Some(point.chain(below.components()).collect())
    }

    /// Where to make a cgroup. In version 1 that is the mount point. In version 2 it is the
    /// topmost cgroup that we may write to, from there down to the process's own: to an
    /// ordinary user, only a part of the tree may have been delegated.
    pub fn parent(&self) -> PathBuf {
        let point = &self.mount.point;
        let own = self.folder().filter(|_| self.mount.kind == "cgroup2");
        let writable = own.iter().flat_map(|own| own.ancestors());
        let writable = writable.take_while(|path| path.starts_with(point));
        let writable = writable.filter(|path| access(*path, AccessFlags::W_OK).is_ok());
        writable.last().unwrap_or(point).to_path_buf()
    }
}

/// The words in one of a cgroup's files, such as the controllers in `cgroup.controllers`.
/// None if there is no such file.
pub fn words(cgroup: &Path, name: &str) -> Vec<String> {
    let text = fs::read(cgroup.join(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.split_whitespace().map(str::to_owned).collect()
}

/// What keeps the children of the cgroup at `parent` from having a controller, until it is
/// enabled there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// Nothing. In version 1 all have all controllers of their hierarchy.
    Yes,
    /// Nobody has enabled it.
    No,
    /// "No internal processes": those that are in `parent` would have to leave it first. Only
    /// the real root is exempt, which has no `cgroup.type`.
    Crowded,
}

/// Looks whether a controller is enabled for the children of `parent`.
pub fn enabled(controller: &str, parent: &Path) -> Enabled {
    let has = |name| parent.join(name).exists();
    let enabled = words(parent, CONTROL);
    if !has(CONTROL) || enabled.iter().any(|name| name == controller) {
        Enabled::Yes
    } else if has("cgroup.type") && !words(parent, "cgroup.procs").is_empty() {
        Enabled::Crowded
    } else {
        Enabled::No
    }
}

const CONTROL: &str = "cgroup.subtree_control";

/// Why no cgroup can be made.
#[derive(Debug)]
pub enum Unmade {
    /// No file system is mounted in which the controller is.
    NotMounted(String),
    /// The kernel refuses to make one in this folder.
    Refused(PathBuf, io::Error),
    /// In this folder processes are in the way: see [`Enabled::Crowded`].
    Crowded(PathBuf),
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted(what) => {
                write!(f, "find a {what}: none is mounted, or another over it")
            }
            Self::Refused(parent, _) => write!(f, "make a cgroup in {}", parent.display()),
            Self::Crowded(parent) => {
                let why = "holds processes, and so its children cannot have controllers";
                write!(f, "the cgroup {} {why}", parent.display())
            }
        }
    }
}

impl std::error::Error for Unmade {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_, error) => Some(error),
            Self::NotMounted(_) | Self::Crowded(_) => None,
        }
    }
}

/// A name that no other cgroup has. The PID tells whose it is; the time makes it new, since
/// PIDs come round again.
pub fn new_name() -> String {
    let nanoseconds = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
    format!("container-{}-{nanoseconds}", process::id())
}

/// A cgroup of our own. It is removed when this value is dropped.
pub struct Cgroup {
    pub path: PathBuf,
}

impl Cgroup {
    /// Makes a cgroup with a controller. In version 2, and where version 1 mounts several
    /// controllers together, the one with this name may be there already.
    ///
    /// # Errors
    ///
    /// [`Unmade`], or what the kernel says to an attempt to enable the controller.
    pub fn make(name: &str, controller: &str) -> Result<Self> {
        let parent = hierarchy("self", controller)?.parent();
        let path = parent.join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.map_err(|error| Unmade::Refused(parent.clone(), error))?,
        }
        let cgroup = Self { path };
        match enabled(controller, &parent) {
            Enabled::Yes => {}
            Enabled::No => write(&parent.join(CONTROL), &format!("+{controller}"))?,
            Enabled::Crowded => bail!(Unmade::Crowded(parent)),
        }
        Ok(cgroup)
    }

    /// Writes to one of its files.
    ///
    /// # Errors
    ///
    /// If there is no such file, or the kernel refuses.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        write(&self.path.join(name), text)
    }

    /// Tries again for a second: the kernel may call it busy for a moment after the last
    /// process has ended.
    fn remove(&self) -> io::Result<()> {
        for _ in 0..100 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
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
///
/// # Errors
///
/// If the kernel refuses.
pub fn join(path: &Path) -> Result<()> {
    // 0 stands for the process that writes it.
    write(&path.join("cgroup.procs"), "0")
}

/// Writes to a file that the kernel has made: one that we made would limit nothing.
fn write(path: &Path, text: &str) -> Result<()> {
    let file = fs::File::options().write(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {text} to {}", path.display()))
}
