//! A process, as the host's /proc shows it.
//!
//! What cannot be read is `None`: the process may have ended, or belong to somebody else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use kernelfiles::mountinfo::{self, Mount};
use nix::unistd::Pid;

/// A process by its folder in the host's /proc.
pub struct Process {
    name: String,
}

/// All processes that the host shows.
pub fn all() -> impl Iterator<Item = Process> {
    numbers(Path::new("/proc")).map(|number| Process {
        name: number.to_string(),
    })
}

/// This process itself.
pub fn ourselves() -> Process {
    Process {
        name: "self".into(),
    }
}

/// What in a folder is called by a number: in a /proc, the processes.
pub fn numbers(proc: &Path) -> impl Iterator<Item = i32> {
    let entries = fs::read_dir(proc).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The device files in a /dev.
#[derive(Default)]
pub struct Devices {
    pub names: BTreeSet<String>,
    /// Of those that are disks and the like, the numbers.
    pub blocks: BTreeSet<u64>,
}

impl Process {
    /// Its number on the host.
    pub fn pid(&self) -> i32 {
        self.name.parse().unwrap_or_else(|_| Pid::this().as_raw())
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(&self.name).join(name)
    }

    /// A file about it.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.read(name)?).into_owned())
    }

    /// A line of its `status`, without the key.
    pub fn status(&self, key: &str) -> Option<String> {
        let status = self.text("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        Some(line?.trim().to_owned())
    }

    /// Whether we are its parent.
    pub fn is_our_child(&self) -> bool {
        self.status("PPid")
            .is_some_and(|parent| parent == Pid::this().to_string())
    }

    /// What names its namespace of this kind: `uts:[4026531838]`.
    pub fn namespace(&self, kind: &str) -> Option<String> {
        let link = fs::read_link(self.path("ns").join(kind)).ok()?;
        Some(link.to_string_lossy().into_owned())
    }

    /// Its user and that user's number inside, by the map of its user namespace.
    ///
    /// user_namespaces(7): `INSIDE OUTSIDE COUNT`, where OUTSIDE is as we number users.
    pub fn user(&self) -> Option<(u64, Option<u64>)> {
        let outside: u64 = self
            .status("Uid")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()?;
        let map = self.text("uid_map")?;
        let inside = map.lines().find_map(|line| {
            let numbers: Vec<u64> = line.split_whitespace().flat_map(str::parse).collect();
            let [inside, first, count] = numbers[..] else {
                return None;
            };
            (first..first + count)
                .contains(&outside)
                .then(|| outside - first + inside)
        });
        Some((outside, inside))
    }

    /// The capabilities that it can use, a bit for each.
    pub fn capabilities(&self) -> Option<u64> {
        u64::from_str_radix(&self.status("CapEff")?, 16).ok()
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

    /// The numbers of its descriptors that lead to this folder.
    pub fn descriptors_of(&self, folder: (u64, u64)) -> Option<Vec<i32>> {
        let descriptors = self.path("fd");
        fs::read_dir(&descriptors).ok()?;
        let leads_there = |number: &i32| {
            let file = fs::metadata(descriptors.join(number.to_string()));
            file.is_ok_and(|file| (file.dev(), file.ino()) == folder)
        };
        let mut found: Vec<i32> = numbers(&descriptors).filter(leads_there).collect();
        found.sort_unstable();
        Some(found)
    }

    /// What it takes for `/`, as the host would call it.
    pub fn root(&self) -> Option<PathBuf> {
        let root = fs::read_link(self.path("root")).ok()?;
        if root != Path::new("/") {
            return Some(root);
        }
        // By name it is the top of its own tree of mounts: what is mounted there?
        let mount = self.mount_of_root()?;
        let is_whole = mount.root == Path::new("/");
        Some(if is_whole {
            mount.kind.into()
        } else {
            mount.root
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

    /// The device files that it finds in /dev.
    pub fn devices(&self) -> Option<Devices> {
        let mut devices = Devices::default();
        for entry in fs::read_dir(self.folder("dev")?).ok()?.flatten() {
            let Ok(file) = entry.metadata() else { continue };
            if file.file_type().is_block_device() {
                devices.blocks.insert(file.rdev());
            } else if !file.file_type().is_char_device() {
                continue;
            }
            devices
                .names
                .insert(entry.file_name().to_string_lossy().into_owned());
        }
        Some(devices)
    }

    /// Its cgroup in the hierarchy that counts processes, and where that is mounted here.
    pub fn cgroup(&self) -> Option<(PathBuf, PathBuf)> {
        let cgroups = self.text("cgroup")?;
        // cgroups(7): `8:pids:/PATH` in version 1, `0::/PATH` in version 2.
        let find = |controller: &str| {
            cgroups.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                controllers
                    .split(',')
                    .any(|name| name == controller)
                    .then_some(path)
            })
        };
        let first = find("pids");
        let path = Path::new(first.or_else(|| find(""))?);
        let is_hierarchy = |mount: &Mount| match first {
            Some(_) => mount.has_first_pids(),
            None => mount.kind == "cgroup2",
        };
        let mounts = ourselves().mounts()?.into_iter();
        // Where a part of the hierarchy lies on top of the whole, that part is what is seen.
        let mount = mounts
            .filter(|mount| is_hierarchy(mount) && mount.is_seen() && path.starts_with(&mount.root))
            .max_by_key(|mount| mount.root.components().count())?;
        let path = path.strip_prefix(&mount.root).ok()?;
        let point = mount.point;
        Some((point.join(path), point))
    }
}
