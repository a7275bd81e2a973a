//! The cgroups that hold all that a program under test starts, in every hierarchy there is.
//!
//! Each has the limits, and in it another one, which the program takes for the top.
//!
//! Read: cgroups(7).

use std::ffi::{OsStr, OsString};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use contract::failure::{Failure, Obstacle};
use kernelfiles::cgroup::{self, Enabled, Unmade, enabled};
use kernelfiles::machine;
use kernelfiles::mountinfo::{self, Mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::Cgroup;
use crate::mounts::{bind, by_descriptor, flags_of, mount_new, remount_read_only, unmount};
use crate::patience::until;

/// Room for twenty containers at once by a program in Go, each of whose processes has half a
/// dozen threads, which count as well; and few enough for any machine.
const MAX_PROCESSES: u32 = 500;

/// What the program takes for the top, in the cgroup with the limits.
const TOP: &str = "host";

/// Where the program starts, in version 2: there a cgroup has processes, or children with
/// controllers, but not both.
const LEAF: &str = "init";

/// The cgroups of the tests that are running, so that Ctrl-C can empty them. Those that are just
/// being removed are among them: we must not end before they are gone.
static MADE: Mutex<Vec<Arc<Made>>> = Mutex::new(Vec::new());

/// The tops of all hierarchies. The first is that of the one that counts processes.
pub struct Guard {
    tops: Vec<Top>,
    /// The cgroup with the limit on processes. It lies above the first top.
    limits: Option<Cgroup>,
    /// What is removed with this value.
    made: Vec<Arc<Made>>,
}

struct Top {
    /// Where it is mounted, or will be.
    point: PathBuf,
    cgroup: Cgroup,
}

/// A cgroup with the limits.
struct Made {
    parent: Cgroup,
    name: OsString,
    cgroup: Cgroup,
}

impl Guard {
    /// Makes them. They are removed when this value is dropped, and what is in them killed.
    pub fn make() -> Result<Self> {
        Self::try_to_make().map_err(|error| {
            let what = "make a cgroup for the program under test";
            let text = format!("{what}: {error:#}; `cargo run --bin doctor` knows this machine");
            Failure::not_asked(Obstacle::NoHost(text)).into()
        })
    }

    fn try_to_make() -> Result<Self> {
        // One after the other: their name is our PID and the time, which on some machines
        // two threads can read alike.
        let mut all = MADE.lock().expect("no thread panics with this lock");
        all.retain(|made| Arc::strong_count(made) > 1);
        let name = OsString::from(cgroup::new_name());
        enable("pids")?;
        // These two not every kernel can limit.
        for controller in ["memory", "cpu"] {
            enable(controller).ok();
        }
        let mut guard = Self {
            tops: Vec::new(),
            limits: None,
            made: Vec::new(),
        };
        for (mount, parent) in parents()? {
            // Some are read-only in a container: there, no program can make one.
            match parent.make(&name) {
                Err(_) if guard.limits.is_some() => continue,
                made => made?,
            }
            let made = Arc::new(Made {
                cgroup: parent.open(&name)?,
                name: name.clone(),
                parent,
            });
            all.push(made.clone());
            guard.made.push(made.clone());
            // In a new cpuset is no processor, and so nobody can join it.
            inherit_cpuset(&made.parent, &made.cgroup)?;
            if guard.limits.is_none() {
                made.cgroup.write("pids.max", &MAX_PROCESSES.to_string())?;
                guard.limits = Some(made.parent.open(&name)?);
            }
            limit_memory(&made.cgroup)?;
            let controllers = made.cgroup.read("cgroup.controllers").unwrap_or_default();
            for controller in controllers.split_whitespace() {
                let what = format!("+{controller}");
                made.cgroup.write("cgroup.subtree_control", &what).ok();
            }
            made.cgroup.make(TOP.as_ref())?;
            let cgroup = made.cgroup.open(TOP.as_ref())?;
            inherit_cpuset(&made.cgroup, &cgroup)?;
            guard.tops.push(Top {
                point: mount.point,
                cgroup,
            });
        }
        ensure!(guard.limits.is_some(), "find where processes are counted");
        Ok(guard)
    }

    /// What [`join`] needs to know.
    pub fn name(&self) -> &OsStr {
        &self.made[0].name
    }

    /// The tops as they are mounted, for a process that is in a cgroup namespace of its own.
    /// From there no path leads to the cgroup with the limits.
    pub fn as_mounted(limits: OwnedFd) -> Result<Self> {
        let mut hierarchies = hierarchies()?;
        let counts = |mount: &Mount, cgroup: &Cgroup| {
            let controllers = cgroup.read("cgroup.controllers").unwrap_or_default();
            mount.has_first_pids() || controllers.split_whitespace().any(|name| name == "pids")
        };
        hierarchies.sort_by_key(|(mount, cgroup)| !counts(mount, cgroup));
        let tops = hierarchies.into_iter().map(|(mount, cgroup)| Top {
            point: mount.point,
            cgroup,
        });
        Ok(Self {
            tops: tops.collect(),
            limits: Some(Cgroup::from(limits)).filter(Cgroup::is_cgroup),
            made: Vec::new(),
        })
    }

    /// Covers the hierarchies with the tops, for a thread that stays outside. What it starts
    /// has to write `0` to the [`Guard::entrances`] first.
    pub fn cover(&self) -> Result<()> {
        for top in &self.tops {
            make_leaf(&top.cgroup)?;
            bind(&by_descriptor(&top.cgroup), &top.point)?;
        }
        Ok(())
    }

    /// The files that let a process in.
    pub fn entrances(&self) -> Vec<PathBuf> {
        let entrance = |top: &Top| {
            let descriptor = top.cgroup.as_raw_fd();
            let cgroup = PathBuf::from(format!("/proc/{}/fd/{descriptor}", process::id()));
            let leaf = cgroup.join(LEAF);
            let place = if leaf.exists() { leaf } else { cgroup };
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
        self.tops.iter().any(|top| top.cgroup.read(name).is_ok())
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
            let below = top.cgroup.below().into_iter().map(|(path, _)| path);
            let below = below.filter(|path| path != Path::new(LEAF));
            found.extend(below.map(|path| top.point.join(path)));
        }
        found
    }

    /// The one of these that a process is in, in the first hierarchy in which it is in one.
    pub fn cgroup_of(&self, pid: i32) -> Option<PathBuf> {
        let mut tops = self.tops.iter();
        tops.find_map(|top| {
            let below = top.cgroup.below().into_iter();
            let mut below = below.filter(|(path, _)| path != Path::new(LEAF));
            let found = below.find(|(_, cgroup)| cgroup.own_members().contains(&pid));
            found.map(|(path, _)| top.point.join(path))
        })
    }

    /// The processes in them, but for this one and PID 1, which belong to the test.
    pub fn processes(&self) -> Vec<i32> {
        let mut pids = self.tops[0].cgroup.members();
        pids.retain(|pid| *pid != 1 && u32::try_from(*pid) != Ok(process::id()));
        pids
    }

    /// Lets go on what a program has frozen, even the test that asks: with version 1, no
    /// signal reaches a frozen process, not even SIGKILL.
    pub fn thaw(&self) {
        self.made.iter().for_each(|made| made.cgroup.thaw());
    }

    /// Ends these processes.
    pub fn kill_all(&self) {
        kill_all(|| self.processes());
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.made.iter().for_each(|made| made.remove());
    }
}

impl Made {
    /// Kills what is in it, and removes it, if nobody has yet.
    fn remove(&self) {
        kill_all(|| {
            self.cgroup.thaw();
            self.cgroup.members()
        });
        // A cgroup stays busy for a moment after its last process has ended.
        until("a cgroup to be removed", || {
            self.cgroup.clear();
            self.parent.remove(&self.name).is_ok() || self.parent.open(&self.name).is_err()
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
    for (_, parent) in parents()? {
        // There is none where none could be made.
        if let Ok(cgroup) = parent.open(name) {
            tops.push(cgroup.open(TOP.as_ref())?);
            if cgroup.read("pids.max").is_ok() {
                limits = Some(cgroup.into());
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
    let mut mounts = mountinfo::read("/proc/self/mountinfo")?;
    mounts.retain(is_cgroup);
    mounts.iter().try_for_each(|mount| unmount(&mount.point))?;
    // One may have lain on top of another.
    mounts.reverse();
    mounts.sort_by(|one, other| one.point.cmp(&other.point));
    mounts.dedup_by(|one, other| one.point == other.point);
    for mount in &mounts {
        // Its controllers, or its name.
        let more = mount.more.split(',').filter(|option| {
            let is_kept = !["rw", "ro"].contains(option) && !option.starts_with("release_agent=");
            is_kept && mount.kind == "cgroup"
        });
        let more = more.collect::<Vec<_>>().join(",");
        mount_new(&mount.kind, &mount.point, flags_of(mount), &more)?;
    }
    Ok(())
}

/// Makes the cgroup to start in, if this is version 2.
fn make_leaf(top: &Cgroup) -> Result<bool> {
    let is_version_2 = top.read("cgroup.controllers").is_ok();
    if is_version_2 {
        top.make(LEAF.as_ref())?;
    }
    Ok(is_version_2)
}

fn is_cgroup(mount: &Mount) -> bool {
    ["cgroup", "cgroup2"].contains(&mount.kind.as_str())
}

/// Where cgroups can be made, in every hierarchy. That which counts processes comes first.
fn parents() -> Result<Vec<(Mount, Cgroup)>> {
    let counts = cgroup::hierarchy("self", "pids")?;
    let mut hierarchies = hierarchies()?;
    hierarchies.sort_by_key(|(mount, _)| mount.device != counts.mount.device);
    if let Some((mount, cgroup)) = hierarchies.first_mut() {
        mount.point.clone_from(&counts.mount.point);
        *cgroup = Cgroup::at(&counts.parent())?;
    }
    Ok(hierarchies)
}

/// Lets the cgroups that are made there have a controller.
fn enable(controller: &str) -> Result<()> {
    let parent = cgroup::hierarchy("self", controller)?.parent();
    match enabled(controller, &parent) {
        Enabled::Yes => Ok(()),
        Enabled::No => {
            let what = format!("+{controller}");
            Cgroup::at(&parent)?.write("cgroup.subtree_control", &what)
        }
        Enabled::Crowded => bail!(Unmade::Crowded(parent)),
    }
}

/// Every hierarchy that is mounted and can be reached, once.
fn hierarchies() -> Result<Vec<(Mount, Cgroup)>> {
    let mounts = mountinfo::read("/proc/thread-self/mountinfo")?;
    let mut found: Vec<(Mount, Cgroup)> = Vec::new();
    for mount in mounts.into_iter().filter(is_cgroup) {
        let is_new = !found.iter().any(|(known, _)| known.device == mount.device);
        // Something else may lie on top of it.
        let cgroup = Cgroup::at(&mount.point).ok().filter(Cgroup::is_cgroup);
        if let (true, Some(cgroup)) = (is_new, cgroup) {
            found.push((mount, cgroup));
        }
    }
    Ok(found)
}

fn inherit_cpuset(parent: &Cgroup, child: &Cgroup) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        // Version 2 has these files as well, and inherits if they are empty.
        let is_version_1 = child.read("cgroup.controllers").is_err();
        if let (true, Ok(value)) = (is_version_1, parent.read(file)) {
            child.write(file, &value)?;
        }
    }
    Ok(())
}

/// Half of the machine's, and no swap, in version 2 and in version 1, if this one counts
/// memory. The sum of both can never be less than the limit on memory, and so comes last.
fn limit_memory(cgroup: &Cgroup) -> Result<()> {
    let half = (machine::memory()? / 2).to_string();
    for (file, limit) in [
        ("memory.max", &*half),
        ("memory.swap.max", "0"),
        ("memory.limit_in_bytes", &half),
        ("memory.swappiness", "0"),
        ("memory.memsw.limit_in_bytes", &half),
    ] {
        cgroup.write(file, limit).ok();
    }
    Ok(())
}

/// Kills what `find` finds, until it finds none: who forks meanwhile is found the next time.
fn kill_all(find: impl Fn() -> Vec<i32>) {
    until("killed processes to end", || {
        let pids = find();
        for pid in &pids {
            kill(Pid::from_raw(*pid), Signal::SIGKILL).ok();
        }
        pids.is_empty()
    })
    .ok();
}
