//! A cgroup that is held by a descriptor: if a program mounts something over /sys, no path
//! leads there any more.
//!
//! Read: cgroups(7), and openat(2) for why a descriptor is better than a path.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstatfs, mkdirat, openat, unlinkat};

/// A cgroup, or another folder.
pub struct Cgroup(OwnedFd);

impl Cgroup {
    /// The one that is seen at `path`.
    pub fn at(path: &Path) -> Result<Self> {
        let folder = File::open(path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self(folder.into()))
    }

    /// Asks statfs(2), for what lies in another file system is a folder and no cgroup.
    pub fn is_cgroup(&self) -> bool {
        const MAGIC: [u64; 2] = [0x27e0eb, 0x63677270];
        fstatfs(&self.0).is_ok_and(|stat| MAGIC.contains(&(stat.f_type as u64)))
    }

    /// The one below this one that is called so.
    pub fn open(&self, name: &OsStr) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.0, name, flags, Mode::empty());
        let opened =
            opened.with_context(|| format!("open the cgroup {}", name.to_string_lossy()))?;
        Ok(Self(opened))
    }

    /// Makes one below this one.
    pub fn make(&self, name: &OsStr) -> Result<()> {
        mkdirat(&self.0, name, Mode::from_raw_mode(0o755))
            .with_context(|| format!("make the cgroup {}", name.to_string_lossy()))
    }

    /// Removes the one below that is called so.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// What one of its files says.
    pub fn read(&self, name: &str) -> Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty());
        let mut file = File::from(file.with_context(|| format!("open {name}"))?);
        let mut text = String::new();
        file.read_to_string(&mut text)
            .with_context(|| format!("read {name}"))?;
        Ok(text)
    }

    /// Writes to a file that is there. One that is made here would be no file of a cgroup.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let what = || format!("write {text} to {name}");
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty()).with_context(what)?;
        File::from(file)
            .write_all(text.as_bytes())
            .with_context(what)
    }

    /// All folders below this one, parents first.
    pub fn below(&self) -> Vec<(PathBuf, Cgroup)> {
        let mut found: Vec<(PathBuf, Cgroup)> = Vec::new();
        let mut next = 0_usize;
        loop {
            let (path, folder) = match next.checked_sub(1) {
                None => (Path::new(""), self),
                Some(index) => match found.get(index) {
                    Some((path, folder)) => (path.as_path(), folder),
                    None => return found,
                },
            };
            let children = folder.children();
            let children = children.into_iter();
            let children: Vec<_> = children
                .map(|(name, child)| (path.join(name), child))
                .collect();
            found.extend(children);
            next += 1;
        }
    }

    fn children(&self) -> Vec<(PathBuf, Cgroup)> {
        let entries = Dir::read_from(&self.0).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type() == FileType::Directory);
        let names = folders.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
        let names = names.filter(|name| name != "." && name != "..");
        names
            .filter_map(|name| Some((PathBuf::from(&name), self.open(&name).ok()?)))
            .collect()
    }

    /// Removes all cgroups below that have no process.
    pub fn clear(&self) {
        for (name, child) in self.children() {
            child.clear();
            self.remove(name.as_os_str()).ok();
        }
    }

    /// Thaws this cgroup and all below, each of which may have been frozen by itself.
    pub fn thaw(&self) {
        for (file, thawed) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            if self.read(file).is_ok() {
                let below = self.below();
                let all = below.iter().map(|(_, folder)| folder).chain([self]);
                all.for_each(|folder| drop(folder.write(file, thawed)));
            }
        }
    }

    /// The processes in this cgroup and in all below.
    pub fn members(&self) -> Vec<i32> {
        let below = self.below();
        let all = below.iter().map(|(_, folder)| folder).chain([self]);
        all.flat_map(Cgroup::own_members).collect()
    }

    /// The processes in this cgroup.
    pub fn own_members(&self) -> Vec<i32> {
        let procs = self.read("cgroup.procs").unwrap_or_default();
        procs.lines().filter_map(|pid| pid.parse().ok()).collect()
    }
}

impl AsRawFd for Cgroup {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<OwnedFd> for Cgroup {
    fn from(folder: OwnedFd) -> Self {
        Self(folder)
    }
}

impl From<Cgroup> for OwnedFd {
    fn from(cgroup: Cgroup) -> Self {
        cgroup.0
    }
}
