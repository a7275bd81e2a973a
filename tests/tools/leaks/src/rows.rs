//! The table: for each thing that a container can have of its own, an answer and evidence.
//!
//! The host's view of the probe's process comes first, for it cannot be fooled. Where there
//! is none, the probe's own words have to do, and where these do not tell either, the answer
//! is `unknown`.

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fs;
use std::path::PathBuf;

use kernelfiles::machine::setting;
use kernelfiles::process;
use nix::unistd::gethostname;

use crate::process::Process;

/// Lines of a name, an answer, and evidence.
pub type Table = [(&'static str, &'static str, String); ROWS.len()];

/// The answer and the evidence, if there is any.
type Found = Option<(&'static str, String)>;
type Find = fn(&Look) -> Found;

/// In the order in which the eight steps turn them from shared to own.
const ROWS: [(&str, Find); 15] = [
    ("hostname", Look::hostname),
    ("PIDs", Look::pids),
    ("root and files", Look::files),
    ("device files", Look::devices),
    ("process list", Look::processes),
    ("mounts", Look::mounts),
    ("process limit", Look::limit),
    ("network", |look| look.namespace("net")),
    ("IPC", |look| look.namespace("ipc")),
    ("user IDs", Look::users),
    ("capabilities", Look::capabilities),
    ("descriptors", Look::descriptors),
    ("cgroup view", |look| look.namespace("cgroup")),
    ("clock", Look::clock),
    ("kernel", Look::kernel),
];

/// What even a virtual machine may share.
const OUTSIDE_THE_KERNEL: [&str; 3] = ["hostname", "root and files", "kernel"];

/// Compares the container with us, by the probe's process, if the host shows it, and by
/// what the probe has told.
pub fn compare(process: Option<Process>, told: HashMap<String, String>) -> Table {
    let look = Look {
        process,
        told,
        ours: Process::of("self"),
    };
    ROWS.map(|(name, find)| {
        let (answer, evidence) = look.find(name, find);
        (name, answer, evidence)
    })
}

/// The table of a command that has executed nothing.
pub fn nothing_ran() -> Table {
    ROWS.map(|(name, _)| (name, "none", "nothing ran".into()))
}

struct Look {
    process: Option<Process>,
    told: HashMap<String, String>,
    ours: Process,
}

/// The container has the host's,
fn shared(evidence: impl Into<String>) -> Found {
    Some(("shared", evidence.into()))
}

/// has one of its own,
fn own(evidence: impl Into<String>) -> Found {
    Some(("own", evidence.into()))
}

/// or has no such thing at all.
fn none(evidence: impl Into<String>) -> Found {
    Some(("none", evidence.into()))
}

impl Look {
    fn told(&self, key: &str) -> Option<&str> {
        let value = self.told.get(key)?;
        (!value.is_empty()).then_some(value)
    }

    fn find(&self, name: &str, find: Find) -> (&'static str, String) {
        let is_another = self.is_same_kernel() == Some(false);
        let is_asked = !is_another || OUTSIDE_THE_KERNEL.contains(&name);
        let found = if is_asked { find(self) } else { None };
        found.unwrap_or_else(|| {
            let (answer, why) = match self.process {
                _ if is_another => ("own", "that of another kernel"),
                Some(_) => ("unknown", "we may not read it: try it as root"),
                None => ("unknown", "the host does not show us the process"),
            };
            (answer, why.into())
        })
    }

    /// Whether the probe runs on our kernel. A process that the host shows does; and no two
    /// kernels that were started have the same boot_id.
    fn is_same_kernel(&self) -> Option<bool> {
        if self.process.is_some() {
            return Some(true);
        }
        Some(self.told("boot")? == setting("kernel.random.boot_id").ok()?)
    }

    /// What names the namespaces inside and outside. Names of another kernel mean nothing.
    fn pair(&self, kind: &str) -> Option<(String, String)> {
        let process = self.process.as_ref();
        let mut inside = process.and_then(|process| process.namespace(kind));
        if inside.is_none() && self.is_same_kernel()? {
            inside = self.told(&format!("ns/{kind}")).map(str::to_owned);
        }
        Some((inside?, self.ours.namespace(kind)?))
    }

    fn namespace(&self, kind: &str) -> Found {
        let (inside, outside) = self.pair(kind)?;
        if inside == outside {
            return shared(inside);
        }
        own(format!("{inside}, not {outside}"))
    }

    fn hostname(&self) -> Found {
        let inside = self.told("hostname")?;
        let outside = gethostname().ok()?.to_string_lossy().into_owned();
        match self.pair("uts") {
            Some((namespace, ours)) if namespace == ours => shared(inside),
            _ if inside != outside => own(format!("{inside}, not {outside}")),
            // A new namespace starts as a copy.
            pair => own(format!("{inside} still, but in {}", pair?.0)),
        }
    }

    fn pids(&self) -> Found {
        let (namespace, ours) = self.pair("pid")?;
        let (Some(inside), Some(process)) = (self.told("pid"), &self.process) else {
            return self.namespace("pid");
        };
        if namespace == ours {
            return shared(format!("{inside} inside and outside"));
        }
        own(format!("{inside} inside is {} outside", process.pid()))
    }

    fn files(&self) -> Found {
        self.files_from_outside()
            .or_else(|| match self.told("files")? {
                "host" => shared("it sees our program"),
                _ => own("it does not see our program"),
            })
    }

    fn files_from_outside(&self) -> Found {
        let process = self.process.as_ref()?;
        if process.identity("")? == self.ours.identity("")? {
            let has_lost_writing = is_read_only(process)? && !is_read_only(&self.ours)?;
            return shared(match has_lost_writing {
                true => "the host's /, but read-only",
                false => "the host's /",
            });
        }
        let root = process.root()?;
        let here = env::current_dir().ok()?;
        let root = root.strip_prefix(here).unwrap_or(&root);
        own(format!("its / is {}", root.display()))
    }

    fn devices(&self) -> Found {
        self.devices_from_outside().or_else(|| {
            // Only names, but ours are many, and telling.
            let inside: BTreeSet<&str> = self.told("devices")?.split(' ').collect();
            let outside = fs::read_dir("/dev").ok()?.flatten();
            let outside = outside.map(|entry| entry.path().to_string_lossy().into_owned());
            let outside: BTreeSet<String> = outside.collect();
            if inside.contains("/dev/*") {
                return none("no device file in /dev");
            }
            if inside.iter().eq(&outside) {
                return shared("the same names in /dev");
            }
            let (count, ours) = (inside.len(), outside.len());
            own(format!("{count} names in /dev, not the {ours} outside"))
        })
    }

    fn devices_from_outside(&self) -> Found {
        let process = self.process.as_ref()?;
        // Not to be read is something else than not to be there.
        process.identity("")?;
        if process.folder("dev").is_some() && process.identity("dev") == self.ours.identity("dev") {
            return shared("the host's /dev");
        }
        let devices = process.devices().unwrap_or_default();
        let count = devices.len();
        if count == 0 {
            return none("no device file in /dev");
        }
        let ours = self.ours.devices()?;
        let mut disks = devices.values().filter(|disk| disk.is_some());
        if disks.any(|disk| ours.values().any(|our| our == disk)) {
            return shared(format!("{count}, the host's disks among them"));
        }
        own(devices.into_keys().collect::<Vec<_>>().join(" "))
    }

    fn processes(&self) -> Found {
        self.processes_from_outside().or_else(|| {
            match (self.told("processes"), self.told("comm")) {
                (_, Some("leaks")) => shared("/proc shows leaks itself"),
                (Some(count), _) => own(format!("/proc shows {count} of its own, not leaks")),
                _ => none("no process in /proc"),
            }
        })
    }

    fn processes_from_outside(&self) -> Found {
        let process = self.process.as_ref()?;
        // Not to be read is something else than not to be there.
        process.identity("")?;
        let Some(proc) = process.folder("proc") else {
            return none("no /proc");
        };
        // If it shows a process with our number, in our namespace, then that is leaks.
        let number = fs::read_link("/proc/self").ok()?;
        let namespace = fs::read_link(proc.join(&number).join("ns/pid")).ok();
        if namespace.is_some() && namespace == self.ours.namespace("pid").map(PathBuf::from) {
            return shared(format!("/proc shows leaks itself, {}", number.display()));
        }
        match process::numbers(&proc).count() {
            0 => none("no process in /proc"),
            count => own(format!("/proc shows {count} of its own, not leaks")),
        }
    }

    fn mounts(&self) -> Found {
        let (inside, outside) = self.pair("mnt")?;
        match self.common_peers() {
            // What is mounted on one side appears on the other, too.
            Some(group) if inside != outside => {
                shared(format!("{inside}, but in our peer group {group}"))
            }
            _ => self.namespace("mnt"),
        }
    }

    /// A peer group in which there are mounts of both sides: mount_namespaces(7).
    fn common_peers(&self) -> Option<String> {
        let groups = |process: &Process| -> Option<BTreeSet<String>> {
            let tags = process.mounts()?.into_iter().flat_map(|mount| mount.tags);
            let groups = tags.filter_map(|tag| Some(tag.strip_prefix("shared:")?.to_owned()));
            Some(groups.collect())
        };
        let inside = groups(self.process.as_ref()?)?;
        inside.intersection(&groups(&self.ours)?).next().cloned()
    }

    fn limit(&self) -> Found {
        let told = || self.told("limit").map(str::to_owned);
        match self.limit_from_outside().or_else(told)?.as_str() {
            "max" => shared("no limit of its own"),
            limit => own(format!("at most {limit} processes")),
        }
    }

    /// The lowest of the limits on the way up from the container's cgroup, as far as the
    /// way is not ours, too.
    fn limit_from_outside(&self) -> Option<String> {
        let (cgroup, top) = self.process.as_ref()?.cgroup()?;
        let (ours, _) = self.ours.cgroup()?;
        let its_own = cgroup
            .ancestors()
            .take_while(|cgroup| cgroup.starts_with(&top) && !ours.starts_with(cgroup));
        let limits = its_own.filter_map(|cgroup| {
            let limit = fs::read_to_string(cgroup.join("pids.max")).ok()?;
            limit.trim().parse::<u64>().ok()
        });
        Some(limits.min().map_or("max".into(), |limit| limit.to_string()))
    }

    fn users(&self) -> Found {
        let (inside, outside) = self.pair("user")?;
        let Some((number, number_inside)) = self.process.as_ref().and_then(Process::user) else {
            return self.namespace("user");
        };
        if inside == outside {
            return shared(format!("{number} inside and outside"));
        }
        match number_inside {
            Some(same) if same == number => own(format!(
                "{same} inside is {number} outside, but in {inside}"
            )),
            Some(other) => own(format!("{other} inside is {number} outside")),
            None => own(format!("nobody inside is {number} outside")),
        }
    }

    fn capabilities(&self) -> Found {
        let seen = self.process.as_ref().and_then(Process::capabilities);
        let inside = seen.or_else(|| u64::from_str_radix(self.told("capabilities")?, 16).ok())?;
        let outside = self.ours.capabilities()?;
        let (count, all) = (inside.count_ones(), outside.count_ones());
        let (namespace, our_namespace) = self.pair("user")?;
        if namespace != our_namespace {
            return own(format!("{count}, but only in its user namespace"));
        }
        if inside == outside {
            return shared(format!("the same {count} as outside"));
        }
        // More than ours: it was started by sudo(8), or the like.
        if inside & outside == outside {
            return shared(format!("{count}, and {all} outside"));
        }
        own(format!("{count} of the {all} outside"))
    }

    /// It was started with one that is the host's `/`: what is open stays open, and leads
    /// there from any root.
    fn descriptors(&self) -> Found {
        let host = self.ours.identity("")?;
        match self.process.as_ref()?.descriptor_of(host)? {
            Some(number) => shared(format!("{number} leads to the host's /")),
            None => own("none leads to the host's /"),
        }
    }

    /// The time of day is the same in all time namespaces: time_namespaces(7).
    fn clock(&self) -> Found {
        if self.is_same_kernel()? && self.ours.namespace("time").is_none() {
            return shared("this kernel has no time namespaces");
        }
        let (inside, outside) = self.pair("time")?;
        if inside == outside {
            return shared(inside);
        }
        own("the time since boot; not the time of day")
    }

    fn kernel(&self) -> Found {
        if let Some(process) = &self.process {
            let pid = process.pid();
            return shared(format!("the host's: the probe is its process {pid}"));
        }
        if self.is_same_kernel()? {
            return shared("the same boot_id");
        }
        let (inside, outside) = (self.told("release")?, setting("kernel.osrelease").ok()?);
        own(format!("{inside}, not {outside}"))
    }
}

/// Can nothing be written to its `/`?
fn is_read_only(process: &Process) -> Option<bool> {
    process.mounts()?;
    Some(process.mount_of_root().is_some_and(|mount| mount.is("ro")))
}
