//! A process, as the host's /proc shows it.
//!
//! What cannot be read is `None`: the process may have ended, or belong to somebody else.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use kernelfiles::cgroup;
use kernelfiles::mountinfo::{self, Mount};
use kernelfiles::process;
use nix::unistd::Pid;

/// A process by its folder in the host's /proc.
pub struct Process(String);

impl Process {
    /// The one with this number, or `self`.
    pub fn of(pid: impl Display) -> Self {
        Self(pid.to_string())
    }

    /// Its number on the host.
    pub fn pid(&self) -> i32 {
        self.0.parse().unwrap_or_else(|_| Pid::this().as_raw())
    }

    fn path(&self, name: &str) -> PathBuf {
        process::path(&self.0, name)
    }

    /// What names its namespace of this kind: `uts:[4026531838]`.
    pub fn namespace(&self, kind: &str) -> Option<String> {
        process::namespace(&self.0, kind).ok()
    }

    /// Its user and that user's number inside, by the map of its user namespace.
    pub fn user(&self) -> Option<(u32, Option<u32>)> {
        let users = process::status(&self.0, "Uid").ok()?;
        let outside: u32 = users.split_whitespace().next()?.parse().ok()?;
        let map = process::map(&self.0, "uid_map").ok()?;
        let inside = map.iter().find_map(|mapped| {
            let index = outside.checked_sub(mapped.outside)?;
            (index < mapped.count).then(|| mapped.inside + index)
        });
        Some((outside, inside))
    }

    /// The capabilities that it can use, a bit for each.
    pub fn capabilities(&self) -> Option<u64> {
        u64::from_str_radix(&process::status(&self.0, "CapEff").ok()?, 16).ok()
    }

    /// A folder below its root, if it is one. A link there would lead to one of ours.
    pub fn folder(&self, name: &str) -> Option<PathBuf> {
        let path = self.path("root").join(name);
        let file = fs::symlink_metadata(&path).ok()?;
        file.is_dir().then_some(path)
    }

    /// What tells a folder below its root from all others: device and inode.
    pub fn identity(&self, folder: &str) -> Option<(u64, u64)> {
        let file = fs::metadata(self.folder(folder)?).ok()?;
        Some((file.dev(), file.ino()))
    }

    /// The first of its descriptors that leads to this folder, if one does.
    pub fn descriptor_of(&self, folder: (u64, u64)) -> Option<Option<i32>> {
        let descriptors = self.path("fd");
        fs::read_dir(&descriptors).ok()?;
        let leads_there = |number: &i32| {
            let file = fs::metadata(descriptors.join(number.to_string()));
            file.is_ok_and(|file| (file.dev(), file.ino()) == folder)
        };
        Some(process::numbers(&descriptors).filter(leads_there).min())
    }

    /// What it takes for `/`, as the host would call it.
    pub fn root(&self) -> Option<PathBuf> {
        let root = fs::read_link(self.path("root")).ok()?;
        if root != Path::new("/") {
            return Some(root);
        }
        // By name it is the top of its own tree of mounts: what is mounted there?
        let mount = self.mount_of_root()?;
        Some(match mount.root == Path::new("/") {
            true => mount.kind.into(),
            false => mount.root,
        })
    }

    /// Its mounts, as far as they lie below its root.
    pub fn mounts(&self) -> Option<Vec<Mount>> {
        mountinfo::read(self.path("mountinfo")).ok()
    }

    /// What lies on top at its `/`.
    pub fn mount_of_root(&self) -> Option<Mount> {
        let mut mounts = self.mounts()?.into_iter();
        mounts.rfind(|mount| mount.point == Path::new("/"))
    }

    /// The device files that it finds in /dev, and of disks and the like the numbers.
    pub fn devices(&self) -> Option<BTreeMap<String, Option<u64>>> {
        let entries = fs::read_dir(self.folder("dev")?).ok()?.flatten();
        let devices = entries.filter_map(|entry| {
            let file = entry.metadata().ok()?;
            let is_block = file.file_type().is_block_device();
            let is_device = is_block || file.file_type().is_char_device();
            let name = entry.file_name().to_string_lossy().into_owned();
            is_device.then(|| (name, is_block.then(|| file.rdev())))
        });
        Some(devices.collect())
    }

    /// Its cgroup in the hierarchy that counts processes, and where that is mounted here.
    pub fn cgroup(&self) -> Option<(PathBuf, PathBuf)> {
        let hierarchy = cgroup::hierarchy(&self.0, "pids").ok()?;
        Some((hierarchy.folder()?, hierarchy.mount.point))
    }
}
