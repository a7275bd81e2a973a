//! The cgroups that hold all that a program under test starts, in every hierarchy there is.
//!
//! Each has the limits, and in it another one, which the program takes for the top. They are
//! held by descriptors: if a program mounts something over /sys, no path leads here any more.
//!
//! Read: cgroups(7), and openat(2) for why a descriptor is better than a path.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstatfs, mkdirat, openat, unlinkat};

use crate::cgroup::Cgroups;
use crate::host::{bind, eventually, flags_of, remount_read_only};
use crate::mountinfo::{self, Mount};

/// Room for twenty containers at once by a program in Go, each of whose processes has half a
/// dozen threads, which count as well; and few enough for any machine.
const MAX_PROCESSES: u32 = 500;

/// What the program takes for the top, in the cgroup with the limits.
const TOP: &str = "host";

/// Where the program starts, in version 2: there a cgroup has processes, or children with
/// controllers, but not both.
const LEAF: &str = "init";

/// The cgroups of the tests that are running, so that Ctrl-C can empty them.
static MADE: Mutex<Vec<Arc<Made>>> = Mutex::new(Vec::new());

/// The tops of all hierarchies. The first is that of the one that counts processes.
pub struct Guard {
    tops: Vec<Top>,
    /// The cgroup with the limit on processes. It lies above the first top.
    limits: Option<Folder>,
    /// What is removed with this value.
    made: Vec<Arc<Made>>,
}

struct Top {
    /// Where it is mounted, or will be.
    point: PathBuf,
    folder: Folder,
}

/// A cgroup with the limits.
struct Made {
    parent: Folder,
    name: PathBuf,
    folder: Folder,
}

impl Guard {
    /// Makes them. They are removed when this value is dropped, and what is in them killed.
    pub fn make() -> Result<Self> {
        // One after the other: their name is our PID and the time, which on some machines
        // two threads can read alike.
        let mut all = MADE.lock().expect("no thread panics with this lock");
        let mut cgroups = Cgroups::new()?;
        cgroups.limit_processes(MAX_PROCESSES)?;
        // These two not every kernel can limit.
        cgroups.limit_memory(half_of_the_memory()?).ok();
        cgroups.with_controller("cpu").ok();
        let mut guard = Self {
            tops: Vec::new(),
            limits: None,
            made: Vec::new(),
        };
        let first = cgroups.paths[0].clone();
        let name = first.file_name().context("find the name of a cgroup")?;
        let mut hierarchies = hierarchies()?;
        hierarchies.sort_by_key(|(mount, _)| first.parent() != Some(&mount.point));
        let paths = mem::take(&mut cgroups.paths);
        for (mount, parent) in hierarchies {
            let path = mount.point.join(name);
            // Some are read-only in a container: there, no program can make one.
            if !paths.contains(&path) && parent.make(name).is_err() {
                continue;
            }
            let folder = parent.open(name)?;
            // In a new cpuset is no processor, and so nobody can join it.
            inherit_cpuset(&parent, &folder)?;
            let made = Arc::new(Made {
                folder,
                name: name.into(),
                parent,
            });
            all.push(made.clone());
            guard.made.push(made.clone());
            let controllers = made.folder.read("cgroup.controllers").unwrap_or_default();
            for controller in controllers.split_whitespace() {
                let what = format!("+{controller}");
                made.folder.write("cgroup.subtree_control", &what).ok();
            }
            made.folder.make(TOP.as_ref())?;
            let folder = made.folder.open(TOP.as_ref())?;
            inherit_cpuset(&made.folder, &folder)?;
            guard.tops.push(Top {
                point: mount.point,
                folder,
            });
        }
        ensure!(!guard.tops.is_empty(), "find {}", first.display());
        guard.limits = Some(Folder::at(&first)?);
        Ok(guard)
    }

    /// What [`join`] needs to know.
    pub fn name(&self) -> &OsStr {
        self.made[0].name.as_os_str()
    }

    /// The tops as they are mounted, for a process that is in a cgroup namespace of its own.
    /// From there no path leads to the cgroup with the limits.
    pub fn as_mounted(limits: OwnedFd) -> Result<Self> {
        let mut hierarchies = hierarchies()?;
        let counts = |mount: &Mount, folder: &Folder| {
            let controllers = folder.read("cgroup.controllers").unwrap_or_default();
            mount.has_first_pids() || controllers.split_whitespace().any(|name| name == "pids")
        };
        hierarchies.sort_by_key(|(mount, folder)| !counts(mount, folder));
        let tops = hierarchies.into_iter().map(|(mount, folder)| Top {
            point: mount.point,
            folder,
        });
        Ok(Self {
            tops: tops.collect(),
            limits: Some(Folder(limits)).filter(Folder::is_cgroup),
            made: Vec::new(),
        })
    }

    /// Covers the hierarchies with the tops, for a thread that stays outside. What it starts
    /// has to write `0` to the [`Guard::entrances`] first.
    pub fn cover(&self) -> Result<()> {
        for top in &self.tops {
            make_leaf(&top.folder)?;
            bind(&top.folder.path(), &top.point)?;
        }
        Ok(())
    }

    /// The files that let a process in.
    pub fn entrances(&self) -> Vec<PathBuf> {
        let entrance = |top: &Top| {
            let folder = PathBuf::from(format!("/proc/{}/fd/{}", process::id(), top.folder.raw()));
            let leaf = folder.join(LEAF);
            let place = if leaf.exists() { leaf } else { folder };
            place.join("cgroup.procs")
        };
        self.tops.iter().map(entrance).collect()
    }

    /// Makes room for so many processes, beside those that are there now.
    pub fn allow_processes(&self, max: u32) -> Result<()> {
        let limits = self.limits.as_ref();
        let limits = limits.context("find the cgroup with the limit")?;
        let current: u32 = limits.read("pids.current")?.trim_end().parse()?;
        limits.write("pids.max", &(current + max).to_string())
    }

    /// Whether a cgroup there would have this file.
    pub fn has_file(&self, name: &str) -> bool {
        self.tops.iter().any(|top| top.folder.read(name).is_ok())
    }

    /// Makes the mounts read-only.
    pub fn make_read_only(&self) -> Result<()> {
        let mut points = self.tops.iter().map(|top| &top.point);
        points.try_for_each(|point| remount_read_only(point))
    }

    /// The cgroups that somebody has made below the tops.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for top in &self.tops {
            let below = top.folder.below().into_iter().map(|(path, _)| path);
            let below = below.filter(|path| path != Path::new(LEAF));
            found.extend(below.map(|path| top.point.join(path)));
        }
        found
    }

    /// The one of these that a process is in, in the first hierarchy in which it is in one.
    pub fn cgroup_of(&self, pid: i32) -> Option<PathBuf> {
        let mut tops = self.tops.iter();
        tops.find_map(|top| {
            let below = top.folder.below().into_iter();
            let mut below = below.filter(|(path, _)| path != Path::new(LEAF));
            let found = below.find(|(_, folder)| folder.own_members().contains(&pid));
            found.map(|(path, _)| top.point.join(path))
        })
    }

    /// The processes in them, but for this one and PID 1, which belong to the test.
    pub fn processes(&self) -> Vec<i32> {
        let mut pids = self.tops[0].folder.members();
        pids.retain(|pid| *pid != 1 && u32::try_from(*pid) != Ok(process::id()));
        pids
    }

    /// Lets go on what a program has frozen, even the test that asks: with version 1, no
    /// signal reaches a frozen process, not even SIGKILL.
    pub fn thaw(&self) {
        self.made.iter().for_each(|made| made.folder.thaw());
    }

    /// Ends these processes.
    pub fn kill_all(&self) {
        kill_all(|| self.processes());
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for made in &self.made {
            made.remove();
        }
        let mut all = MADE.lock().expect("no thread panics with this lock");
        all.retain(|known| !self.made.iter().any(|made| Arc::ptr_eq(made, known)));
    }
}

impl Made {
    fn remove(&self) {
        kill_all(|| {
            self.folder.thaw();
            self.folder.members()
        });
        // A cgroup stays busy for a moment after its last process has ended.
        eventually("a cgroup to be removed", || {
            self.folder.clear();
            let removed = self.parent.remove(&self.name);
            (removed.is_ok() || self.parent.open(self.name.as_ref()).is_err()).then_some(())
        })
        .ok();
    }
}

/// Removes all that was made in this process. Whoever is about to make more waits for ever.
pub fn remove_all() {
    let all = MADE.lock().expect("no thread panics with this lock");
    all.iter().for_each(|made| made.remove());
    mem::forget(all);
}

/// Moves this process, which has one thread, into the cgroups that [`Guard::make`] has made,
/// and to a cgroup namespace: what is mounted there is the top, whoever mounts it.
///
/// Returns the one with the limit on processes.
pub fn join(name: &OsStr) -> Result<OwnedFd> {
    let (mut tops, mut limits) = (Vec::new(), None);
    for (_, parent) in hierarchies()? {
        // There is none where none could be made.
        if let Ok(folder) = parent.open(name) {
            tops.push(folder.open(TOP.as_ref())?);
            if folder.read("pids.max").is_ok() {
                limits = Some(folder.0);
            }
        }
    }
    // 0 stands for the process that writes it.
    tops.iter()
        .try_for_each(|top| top.write("cgroup.procs", "0"))?;
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare the cgroup namespace")?;
    for top in &tops {
        if make_leaf(top)? {
            top.open(LEAF.as_ref())?.write("cgroup.procs", "0")?;
            top.write("cgroup.subtree_control", "+pids").ok();
        }
    }
    limits.context("find the cgroup with the limit on processes")
}

/// Mounts all hierarchies anew, which then begin with this cgroup namespace's top: what lies
/// above it can be seen nowhere.
pub fn mount_anew() -> Result<()> {
    let mut mounts = mountinfo::read("/proc/self/mountinfo").context("read mountinfo")?;
    mounts.retain(is_cgroup);
    for Mount { point, .. } in &mounts {
        umount2(point, MntFlags::MNT_DETACH)
            .with_context(|| format!("unmount {}", point.display()))?;
    }
    // One may have lain on top of another.
    mounts.reverse();
    mounts.sort_by(|one, other| one.point.cmp(&other.point));
    mounts.dedup_by(|one, other| one.point == other.point);
    for Mount {
        point,
        kind,
        options,
        more,
        ..
    } in &mounts
    {
        // Its controllers, or its name.
        let more = more.split(',').filter(|option| {
            let is_kept = !["rw", "ro"].contains(option) && !option.starts_with("release_agent=");
            is_kept && kind == "cgroup"
        });
        let more = more.collect::<Vec<_>>().join(",");
        let flags = flags_of(options);
        mount(
            Some(kind.as_str()),
            point,
            Some(kind.as_str()),
            flags,
            Some(more.as_str()),
        )
        .with_context(|| format!("mount {kind} ({more}) on {}", point.display()))?;
    }
    Ok(())
}

/// Makes the cgroup to start in, if this is version 2.
fn make_leaf(top: &Folder) -> Result<bool> {
    let is_version_2 = top.read("cgroup.controllers").is_ok();
    if is_version_2 {
        top.make(LEAF.as_ref())?;
    }
    Ok(is_version_2)
}

fn is_cgroup(mount: &Mount) -> bool {
    ["cgroup", "cgroup2"].contains(&mount.kind.as_str())
}

/// Every hierarchy that is mounted and can be reached, once.
fn hierarchies() -> Result<Vec<(Mount, Folder)>> {
    let mounts = mountinfo::read("/proc/thread-self/mountinfo").context("read mountinfo")?;
    let mut found: Vec<(Mount, Folder)> = Vec::new();
    for mount in mounts.into_iter().filter(is_cgroup) {
        let is_new = !found.iter().any(|(known, _)| known.device == mount.device);
        // Something else may lie on top of it.
        let folder = Folder::at(&mount.point).ok().filter(Folder::is_cgroup);
        if let (true, Some(folder)) = (is_new, folder) {
            found.push((mount, folder));
        }
    }
    Ok(found)
}

fn inherit_cpuset(parent: &Folder, child: &Folder) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        // Version 2 has these files as well, and inherits if they are empty.
        let is_version_1 = child.read("cgroup.controllers").is_err();
        if let (true, Ok(value)) = (is_version_1, parent.read(file)) {
            child.write(file, &value)?;
        }
    }
    Ok(())
}

fn half_of_the_memory() -> Result<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let total = info.split_whitespace().nth(1).context("find MemTotal")?;
    let total: u64 = total.parse().context("read MemTotal")?;
    Ok(total * 1024 / 2)
}

/// Kills what `find` finds, until it finds none: who forks meanwhile is found the next time.
fn kill_all(find: impl Fn() -> Vec<i32>) {
    eventually("killed processes to end", || {
        let pids = find();
        for pid in &pids {
            kill(Pid::from_raw(*pid), Signal::SIGKILL).ok();
        }
        pids.is_empty().then_some(())
    })
    .ok();
}

/// A cgroup, or another folder.
struct Folder(OwnedFd);

impl Folder {
    fn at(path: &Path) -> Result<Self> {
        let folder = File::open(path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self(folder.into()))
    }

    fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/thread-self/fd/{}", self.raw()))
    }

    /// Asks statfs(2), for what lies in another file system is a folder and no cgroup.
    fn is_cgroup(&self) -> bool {
        const MAGIC: [u64; 2] = [0x27e0eb, 0x63677270];
        fstatfs(&self.0).is_ok_and(|stat| MAGIC.contains(&(stat.f_type as u64)))
    }

    fn open(&self, name: &OsStr) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.0, name, flags, Mode::empty());
        let opened =
            opened.with_context(|| format!("open the cgroup {}", name.to_string_lossy()))?;
        Ok(Self(opened))
    }

    fn make(&self, name: &OsStr) -> Result<()> {
        mkdirat(&self.0, name, Mode::from_raw_mode(0o755))
            .with_context(|| format!("make the cgroup {}", name.to_string_lossy()))
    }

    fn remove(&self, name: &Path) -> Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    fn read(&self, name: &str) -> Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty());
        let mut file = File::from(file.with_context(|| format!("open {name}"))?);
        let mut text = String::new();
        file.read_to_string(&mut text)
            .with_context(|| format!("read {name}"))?;
        Ok(text)
    }

    /// Writes to a file that is there. One that is made here would be no file of a cgroup.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let what = || format!("write {text} to {name}");
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty()).with_context(what)?;
        File::from(file)
            .write_all(text.as_bytes())
            .with_context(what)
    }

    /// All folders below this one, parents first.
    fn below(&self) -> Vec<(PathBuf, Folder)> {
        let mut found: Vec<(PathBuf, Folder)> = Vec::new();
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

    fn children(&self) -> Vec<(PathBuf, Folder)> {
        let entries = Dir::read_from(&self.0).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type() == FileType::Directory);
        let names = folders.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
        let names = names.filter(|name| name != "." && name != "..");
        names
            .filter_map(|name| Some((PathBuf::from(&name), self.open(&name).ok()?)))
            .collect()
    }

    /// Removes all cgroups below that have no process.
    fn clear(&self) {
        for (name, child) in self.children() {
            child.clear();
            self.remove(&name).ok();
        }
    }

    /// Thaws this cgroup and all below, each of which may have been frozen by itself.
    fn thaw(&self) {
        for (file, thawed) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            if self.read(file).is_ok() {
                let below = self.below();
                let all = below.iter().map(|(_, folder)| folder).chain([self]);
                all.for_each(|folder| drop(folder.write(file, thawed)));
            }
        }
    }

    /// The processes in this cgroup and in all below.
    fn members(&self) -> Vec<i32> {
        let below = self.below();
        let all = below.iter().map(|(_, folder)| folder).chain([self]);
        all.flat_map(Folder::own_members).collect()
    }

    /// The processes in this cgroup.
    fn own_members(&self) -> Vec<i32> {
        let procs = self.read("cgroup.procs").unwrap_or_default();
        procs.lines().filter_map(|pid| pid.parse().ok()).collect()
    }
}
