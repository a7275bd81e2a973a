//! The first table: what was found on this machine, and what to do about it.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use common::find_in_path;

use crate::attempt::{Namespaces, Refusal, Way, attempt};
use crate::machine::{self, Sudo, User};
use crate::table::{ARROW, row};

/// The oldest kernel on which the steps have been tried.
const OLDEST: (u32, u32) = (5, 10);

/// What was found, and what the verdicts on the steps are made from.
pub struct Facts {
    pub user: User,
    pub rootfs: Rootfs,
    pub sudo: Sudo,
    /// Whether a cgroup can be made and how, or why not.
    pub cgroup: Result<String, Refusal>,
    /// As called.
    namespaces: Result<Namespaces, Refusal>,
    /// Under `unshare -r`, which who is root does not need.
    unshared: Option<Result<Namespaces, Refusal>>,
}

/// The root filesystem of the steps from 6 on.
pub struct Rootfs {
    pub path: PathBuf,
    pub found: io::Result<()>,
}

impl Rootfs {
    fn find() -> Self {
        let path = env::var_os("ROOTFS").map_or("./rootfs".into(), PathBuf::from);
        // The dot is there if this is a folder that we may enter.
        let found = fs::metadata(path.join(".")).map(drop);
        Self { path, found }
    }

    pub fn is_missing(&self) -> bool {
        matches!(&self.found, Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// The folder that it would be made in.
    fn place(&self) -> Option<PathBuf> {
        self.path
            .components()
            .as_path()
            .parent()
            .map(|parent| parent.join("."))
    }

    /// The command that makes it.
    pub fn command(&self) -> String {
        match env::var_os("ROOTFS") {
            None => "cargo run --bin rootfs".to_owned(),
            Some(path) => format!("cargo run --bin rootfs -- {}", path.to_string_lossy()),
        }
    }

    /// Whether /dev/null is a device file in it, as only root can make one.
    fn has_devices(&self) -> bool {
        let null = fs::metadata(self.path.join("dev/null"));
        null.is_ok_and(|file| file.file_type().is_char_device())
    }

    /// Whether a program is in it. Seen from outside, a link in it may lead nowhere.
    fn has(&self, program: &str) -> bool {
        let mut folders = ["bin", "usr/bin"].iter().map(|name| self.path.join(name));
        folders.any(|folder| folder.join(program).symlink_metadata().is_ok())
    }
}

/// A row's right cell: what was found, and below it what to do.
struct Found(Vec<String>);

impl Found {
    fn new(what: impl Into<String>) -> Self {
        Self(vec![what.into()])
    }

    fn and(mut self, what: impl Into<String>) -> Self {
        self.0.push(what.into());
        self
    }

    fn advise(self, what: &str) -> Self {
        self.and(format!("{ARROW} {what}"))
    }

    /// A line to be copied.
    fn command(self, what: &str) -> Self {
        self.and(format!("   {what}"))
    }
}

impl Facts {
    /// Reads and tries all there is to know before the steps themselves are tried.
    pub fn find() -> Self {
        let user = User::find();
        Self {
            rootfs: Rootfs::find(),
            sudo: Sudo::find(),
            cgroup: attempt(Way::AsCalled, &["cgroup"], Path::new("/")),
            namespaces: Namespaces::find(Way::AsCalled),
            unshared: (!user.is_admin).then(|| Namespaces::find(Way::Unshare)),
            user,
        }
    }

    /// Whether a kind of namespace is refused since there are too many.
    pub fn lacks_room(&self) -> bool {
        let namespaces = self.namespaces.as_ref();
        namespaces.is_ok_and(|namespaces| !namespaces.without_room().is_empty())
    }

    pub fn table(&self) -> String {
        let rows = [
            ("check", Some(Found::new("found, and what to do"))),
            ("user", Some(self.user())),
            ("WSL", wsl()),
            ("container", self.container()),
            ("kernel", Some(kernel())),
            ("namespaces", Some(self.namespaces())),
            ("user namespaces", Some(self.user_namespaces())),
            ("cgroups", Some(cgroups())),
            ("pids", Some(self.pids())),
            ("mounts", Some(mounts())),
            ("/proc", proc()),
            ("programs", Some(self.programs())),
            ("rootfs", Some(self.rootfs())),
        ];
        let rows = rows.into_iter().filter_map(|(check, found)| {
            let Found(lines) = found?;
            Some(row(check, &lines))
        });
        rows.collect()
    }

    fn user(&self) -> Found {
        let User { uid, outside, .. } = self.user;
        let mut who = match (uid, outside) {
            (0, None) => "root".to_owned(),
            (0, Some(outside)) => format!("root in a user namespace, uid {outside} outside"),
            (uid, _) => format!("uid {uid}"),
        };
        if self.user.is_admin && uid != 0 {
            who += ", with CAP_SYS_ADMIN";
        } else if !self.user.is_admin && uid == 0 {
            who += ", without CAP_SYS_ADMIN";
        }
        let found = Found::new(who);
        match (self.user.is_admin, self.user.can_be_admin, uid) {
            (true, ..) => found,
            (_, false, _) => found
                .advise("the steps from 3 on need CAP_SYS_ADMIN, which here not even root gets"),
            (_, true, 0) => found.advise("the steps from 3 on need that capability"),
            (_, true, _) => found.advise("the steps from 3 on take root: see the end"),
        }
    }

    /// Whether a container is in the way, as far as one can see that from inside.
    fn container(&self) -> Option<Found> {
        if self.user.can_be_admin {
            return None;
        }
        let sign = machine::sign_of_a_container()?;
        Some(
            Found::new(format!("{sign} is a sign of one"))
                .advise("start it with `--privileged`, if you may"),
        )
    }

    fn namespaces(&self) -> Found {
        let namespaces = match &self.namespaces {
            Ok(namespaces) => namespaces,
            Err(refusal) => return Found::new(&refusal.message),
        };
        let full = namespaces.without_room().into_iter();
        full.fold(Found(namespaces.describe()), |found, kind| {
            let name = format!("user.max_{kind}_namespaces");
            match machine::limit(kind) {
                Some(0) => found
                    .advise(&format!("{name} is 0. Until the next boot, this lifts it:"))
                    .command(&format!("sudo sysctl {name}=10000")),
                Some(limit) => found.advise(&format!(
                    "{name} is {limit}, and as many are in use; or these are nested too deep"
                )),
                None => found,
            }
        })
    }

    /// Tried as `unshare -r` by who needs it, and by the flag alone by who does not.
    fn user_namespaces(&self) -> Found {
        let settings = machine::forbidding_settings();
        let found = match (&self.unshared, &self.namespaces) {
            (Some(Ok(namespaces)), _) if namespaces.have("uts") => {
                let lines = namespaces.describe();
                return Found::new(format!("`unshare -r` gives {}", lines.join("; ")));
            }
            // What AppArmor lets one make has a root without any rights.
            (Some(Ok(_)), _) => Found::new("`unshare -r` works, but root may do nothing there"),
            (Some(Err(refusal)), _) => {
                Found::new(format!("`unshare -r` fails: {}", refusal.message))
            }
            (None, Ok(namespaces)) if !namespaces.have("user") => Found::new("refused"),
            (None, _) if settings.is_empty() => return Found::new("can be made"),
            (None, _) => Found::new("can be made by root, but maybe not by others"),
        };
        settings.iter().fold(found, |found, (setting, cure)| {
            let what = format!("{setting} forbids them. Until the next boot, this lifts it:");
            found.advise(&what).command(&format!("sudo sysctl {cure}"))
        })
    }

    fn pids(&self) -> Found {
        let refusal = match &self.cgroup {
            Ok(found) => return Found::new(found),
            Err(refusal) => refusal,
        };
        let mut lines = refusal.message.lines();
        let found = Found::new(lines.next().unwrap_or_default());
        match lines.next() {
            Some(cure) => lines.fold(found.advise(cure), Found::command),
            None => found,
        }
    }

    fn programs(&self) -> Found {
        let mut needed = vec!["bash", "ps"];
        if !self.user.is_admin {
            needed.push("unshare");
        }
        let is_there = |name| find_in_path(name).is_some();
        let names: Vec<String> = needed
            .iter()
            .map(|name| with(name, is_there(name)))
            .collect();
        let missing = needed.iter().filter(|name| !is_there(name));
        missing.fold(Found::new(names.join(", ")), |found, name| {
            found.advise(&format!("`{}`", rootfs::package_command(name)))
        })
    }

    fn rootfs(&self) -> Found {
        let rootfs = &self.rootfs;
        let path = rootfs.path.display();
        match &rootfs.found {
            Err(_) if rootfs.is_missing() => {
                let found = Found::new(format!("no {path}"));
                match rootfs.place().and_then(|place| machine::forbidden_at(&place)) {
                    None => found.advise(&format!("`{}`", rootfs.command())),
                    Some(option) => found
                        .and(format!("and its place is on a file system mounted {option}"))
                        .advise("put it elsewhere, as with `cargo run --bin rootfs -- ~/rootfs`, and name it in ROOTFS"),
                }
            }
            Err(error) => Found::new(format!("{path}: {error}"))
                .advise("name a folder in ROOTFS that you may enter"),
            Ok(()) => self.rootfs_that_is_there(),
        }
    }

    fn rootfs_that_is_there(&self) -> Found {
        let rootfs = &self.rootfs;
        let path = rootfs.path.display();
        let names = ["bash", "ps"].map(|name| with(name, rootfs.has(name)));
        let found = Found::new(format!("{path}, with {}", names.join(", ")));
        if let Some(option) = machine::forbidden_at(&rootfs.path.join("dev/.")) {
            return found
                .and(format!("on a file system mounted {option}, where /dev/null is refused"))
                .advise("put it elsewhere, as with `cargo run --bin rootfs -- ~/rootfs`, and name it in ROOTFS");
        }
        if rootfs.has_devices() {
            return found;
        }
        let found = found.and("no device files, which take root");
        if rootfs::is_ours(&rootfs.path) {
            return found.advise(&format!("`{}`, as root", rootfs.command()));
        }
        found
            .advise("it is another tool's; as root:")
            .command(&format!("mkdir -p {path}/dev"))
            .command(&format!("mknod -m 666 {path}/dev/null c 1 3"))
    }
}

fn with(name: &str, is_there: bool) -> String {
    if is_there {
        name.to_owned()
    } else {
        format!("no {name}")
    }
}

fn kernel() -> Found {
    let Some(release) = machine::kernel() else {
        return Found::new("unknown");
    };
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().ok());
    let version = (numbers.next().flatten(), numbers.next().flatten());
    let found = Found::new(&release);
    match version {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            let (major, minor) = OLDEST;
            found.advise(&format!(
                "the steps have been tried on {major}.{minor} and later"
            ))
        }
        _ => found,
    }
}

fn wsl() -> Option<Found> {
    Some(match machine::wsl()? {
        1 => Found::new("version 1, which has no namespaces")
            .advise("in Windows: `wsl --set-version DISTRIBUTION 2`"),
        _ if machine::is_on_windows_drive() => {
            Found::new("version 2, and this folder is on a Windows drive")
                .advise("clone into your home in Linux, where files have an owner and a mode")
        }
        _ => Found::new("version 2"),
    })
}

fn cgroups() -> Found {
    match machine::cgroups() {
        Some(layout) => Found::new(layout),
        // Without a /proc, nothing is known.
        None if !machine::has_proc() => Found::new("unknown"),
        None => match machine::covered_cgroups() {
            Some(point) => Found::new(format!("something lies over {}", point.display())).advise(
                &format!("`umount {}`: it hides the cgroups", point.display()),
            ),
            None => Found::new("not mounted").advise("`mount -t cgroup2 cgroup2 /sys/fs/cgroup`"),
        },
    }
}

/// How `/` passes mounts on: mount_namespaces(7).
fn mounts() -> Found {
    let tags = machine::propagation_of_root();
    let tags = tags
        .as_deref()
        .map(|tags| tags.split(':').next().unwrap_or(tags));
    match tags {
        None if !machine::has_proc() => Found::new("unknown"),
        None => Found::new("`/` is not a mount point")
            .advise("leave the chroot: step 7 and user namespaces do not work in one"),
        Some("") => Found::new("`/` is private: mounts do not leave their namespace"),
        Some("shared") => {
            Found::new("`/` is shared: mounts reach other namespaces, until made private")
        }
        Some("master") => Found::new("`/` is a slave: mounts come in, and do not go out"),
        Some(other) => Found::new(format!(
            "`/` is {other}: mounts do not leave their namespace"
        )),
    }
}

fn proc() -> Option<Found> {
    (!machine::has_proc()).then(|| {
        Found::new("not mounted")
            .advise("`mount -t proc proc /proc`: the steps from 4 on need it, and these checks")
    })
}
