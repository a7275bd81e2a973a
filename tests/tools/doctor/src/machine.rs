//! What can be read about this machine, some of it in the words of the first table. What
//! cannot be read is no error: in a chroot there may be no /proc at all.

use std::env;
use std::path::Path;
use std::process::Command;

use common::find_in_path;
use kernelfiles::cgroup::{self, Enabled};
use kernelfiles::machine::setting;
use kernelfiles::mountinfo::{self, Mount};
use kernelfiles::process::{self, Mapped};
use nix::sys::statfs::{FsType, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access, geteuid};

/// The number of CAP_SYS_ADMIN in the sets of /proc/PID/status (capabilities(7)).
const CAP_SYS_ADMIN: u32 = 21;

/// The oldest kernel on which the steps have been tried.
const OLDEST: (u32, u32) = (5, 10);

/// What statfs(2) says of a Windows drive in WSL 2.
const V9FS_MAGIC: FsType = FsType(0x0102_1997);

/// Who this process is, and what it may do.
pub struct User {
    pub uid: u32,
    /// In a user namespace, who `uid` is outside of it.
    pub outside: Option<u32>,
    /// Has CAP_SYS_ADMIN, which makes namespaces and mounts.
    pub is_admin: bool,
    /// Can get CAP_SYS_ADMIN by becoming root. In most containers nobody can.
    pub can_be_admin: bool,
}

impl User {
    pub fn find() -> Self {
        let uid = geteuid().as_raw();
        let has = |set, default| status(set).map_or(default, |set| set >> CAP_SYS_ADMIN & 1 == 1);
        let no_new_privileges = status("NoNewPrivs") == Some(1);
        Self {
            uid,
            outside: outside(uid),
            is_admin: has("CapEff", uid == 0),
            can_be_admin: has("CapBnd", true) && !no_new_privileges,
        }
    }

    /// Root of the machine, and not of a user namespace only.
    pub fn is_root(&self) -> bool {
        self.uid == 0 && self.outside.is_none()
    }
}

/// A hexadecimal number from /proc/self/status.
fn status(name: &str) -> Option<u64> {
    u64::from_str_radix(&process::status("self", name).ok()?, 16).ok()
}

/// On the machine itself all users are themselves.
fn outside(uid: u32) -> Option<u32> {
    let map = process::map("self", "uid_map").ok()?;
    let is_machine =
        |mapped: &Mapped| (mapped.inside, mapped.outside, mapped.count) == (0, 0, u32::MAX);
    let mut map = map.into_iter().filter(|mapped| !is_machine(mapped));
    map.find_map(|mapped| {
        let index = uid.checked_sub(mapped.inside)?;
        (index < mapped.count).then_some(mapped.outside + index)
    })
}

/// Whether there is a /proc to read.
pub fn has_proc() -> bool {
    Path::new("/proc/self/exe").symlink_metadata().is_ok()
}

/// The settings that keep ordinary users from user namespaces, as they are and as they
/// would not: `NAME=VALUE`.
pub fn forbidding_settings() -> Vec<(String, String)> {
    let settings = [
        ("user.max_user_namespaces", "0", "10000"),
        // This one is Debian's and Ubuntu's,
        ("kernel.unprivileged_userns_clone", "0", "1"),
        // and this one is Ubuntu's, from 23.10 on.
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    let set = settings.into_iter().filter_map(|(name, forbids, allows)| {
        let is_set = setting(name).ok()? == forbids;
        is_set.then(|| (format!("{name}={forbids}"), format!("{name}={allows}")))
    });
    set.collect()
}

/// A setting that is a number, such as how many namespaces of a kind each user may have.
pub fn limit(name: &str) -> Option<u64> {
    setting(name).ok()?.parse().ok()
}

/// What the file system at `path` keeps root from: device files, or programs.
pub fn forbidden_at(path: &Path) -> Option<&'static str> {
    let flags = statvfs(path).ok()?.flags();
    let all = [(FsFlags::ST_NOEXEC, "noexec"), (FsFlags::ST_NODEV, "nodev")];
    let found = all.into_iter().find(|(flag, _)| flags.contains(*flag));
    found.map(|(_, name)| name)
}

/// What makes another command root's, with our environment, if anything does.
pub fn sudo() -> Option<String> {
    find_in_path("sudo")?;
    let mut version = Command::new("sudo");
    let version = version.arg("--version").env("LC_ALL", "C").output();
    let version = version.map(|output| [output.stdout, output.stderr].concat());
    // This one keeps nothing but what is named, and is Ubuntu's `sudo` from 25.10 on.
    let is_rust = String::from_utf8_lossy(&version.unwrap_or_default()).contains("sudo-rs");
    let root = env::var_os("ROOTFS");
    Some(match (is_rust, find_in_path("sudo.ws"), root) {
        (false, ..) => "sudo -E".to_owned(),
        (true, Some(_), _) => "sudo.ws -E".to_owned(),
        (true, None, Some(root)) => format!("sudo ROOTFS={}", root.to_string_lossy()),
        (true, None, None) => "sudo".to_owned(),
    })
}

/// The Windows Subsystem for Linux: version 1 is no Linux kernel, version 2 is one.
pub fn wsl() -> &'static str {
    let release = setting("kernel.osrelease").unwrap_or_default();
    let is_second = release.contains("WSL2") || release.contains("microsoft-standard");
    let is_on_drive = || statfs(".").is_ok_and(|found| found.filesystem_type() == V9FS_MAGIC);
    if !release.to_lowercase().contains("microsoft") {
        ""
    } else if !is_second {
        "version 1, which has no namespaces\n\
         -> in Windows: `wsl --set-version DISTRIBUTION 2`"
    } else if is_on_drive() {
        "version 2, and this folder is on a Windows drive\n\
         -> clone into your home in Linux, where files have an owner and a mode"
    } else {
        "version 2"
    }
}

pub fn kernel() -> String {
    // Such as `6.12.57-amd64`.
    let Ok(release) = setting("kernel.osrelease") else {
        return "unknown".to_owned();
    };
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|number| number.parse().ok());
    let (major, minor) = OLDEST;
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(second)) if (first, second) < OLDEST => {
            format!("{release}\n-> the steps have been tried on {major}.{minor} and later")
        }
        _ => release,
    }
}

pub fn proc() -> &'static str {
    match has_proc() {
        true => "",
        false => {
            "not mounted\n\
             -> `mount -t proc proc /proc`: the steps from 4 on need it, and these checks"
        }
    }
}

fn mounts() -> Vec<Mount> {
    mountinfo::read("/proc/self/mountinfo").unwrap_or_default()
}

/// How `/` passes mounts on: mount_namespaces(7). In a chroot, it need not be a mount point.
pub fn mounts_of_root() -> String {
    let mounts = mounts();
    // The last one lies on top.
    let root = mounts.iter().rfind(|mount| mount.point == Path::new("/"));
    let Some(root) = root else {
        return match has_proc() {
            false => "unknown".to_owned(),
            true => "`/` is not a mount point\n\
                 -> leave the chroot: step 7 and user namespaces do not work in one"
                .to_owned(),
        };
    };
    let tag = root.tags.first().and_then(|tag| tag.split(':').next());
    let passes = match tag {
        None => "private: mounts do not leave their namespace",
        Some("shared") => "shared: mounts reach other namespaces, until made private",
        Some("master") => "a slave: mounts come in, and do not go out",
        Some(other) => &format!("{other}: mounts do not leave their namespace"),
    };
    format!("`/` is {passes}")
}

/// How cgroups are laid out, and where the hierarchy is that counts processes.
pub fn cgroups() -> String {
    let counts = |mount: &Mount| mount.has_first_pids() || mount.kind == "cgroup2";
    let (seen, covered): (Vec<_>, Vec<_>) = mounts().into_iter().partition(Mount::is_seen);
    let has_first = seen.iter().any(|mount| mount.kind == "cgroup");
    let second = seen.iter().find(|mount| mount.kind == "cgroup2");
    let pids = seen.iter().find(|mount| mount.has_first_pids());
    let at = |mount: &Mount| format!("at {}", mount.point.display());
    match (has_first, second, pids) {
        (false, Some(second), _) => format!("v2, {}", at(second)),
        (true, None, None) => "v1, without pids".to_owned(),
        (true, None, Some(pids)) => format!("v1, pids {}", at(pids)),
        (true, Some(second), None) => format!("hybrid: v1 and v2, pids in v2, {}", at(second)),
        (true, Some(_), Some(pids)) => format!("hybrid: v1 and v2, pids in v1, {}", at(pids)),
        // Without a /proc, nothing is known.
        (false, None, _) if !has_proc() => "unknown".to_owned(),
        (false, None, _) => match covered.iter().find(|mount| counts(mount)) {
            Some(Mount { point, .. }) => {
                let point = point.display();
                format!("something lies over {point}\n-> `umount {point}`: it hides the cgroups")
            }
            None => "not mounted\n-> `mount -t cgroup2 cgroup2 /sys/fs/cgroup`".to_owned(),
        },
    }
}

/// Whether it is a hierarchy of version 1 that counts processes.
pub fn first_has_pids() -> bool {
    mounts().iter().any(Mount::has_first_pids)
}

/// Whether step 8 would first have to enable the pids controller, and could: on a version
/// 2 system where nobody, such as systemd, has done so. That would outlast it.
pub fn must_enable_pids() -> bool {
    let Ok(hierarchy) = cgroup::hierarchy("self", "pids") else {
        return false;
    };
    let parent = hierarchy.parent();
    let offered = cgroup::words(&parent, "cgroup.controllers");
    offered.iter().any(|name| name == "pids")
        && cgroup::enabled("pids", &parent) == Enabled::No
        && access(&parent.join("cgroup.subtree_control"), AccessFlags::W_OK).is_ok()
}
