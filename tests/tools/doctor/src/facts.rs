//! The first table: what was found on this machine, and what to do about it.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use common::find_in_path;

use crate::attempt::{AS_CALLED, Namespaces, Refusal, UNSHARE, attempt};
use crate::machine::{self, User};
use crate::table::row;

/// What was found, and what the verdicts on the steps are made from.
pub struct Facts {
    pub user: User,
    pub rootfs: Rootfs,
    /// What makes a command root's, if anything does.
    pub sudo: Option<String>,
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
        let parent = self.path.components().as_path().parent()?;
        Some(parent.join("."))
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

    /// What is known of it, and what to do about it.
    fn describe(&self) -> String {
        let path = self.path.display();
        if self.is_missing() {
            let place = self.place();
            return match place.and_then(|place| machine::forbidden_at(&place)) {
                None => format!("no {path}\n-> `{}`", self.command()),
                Some(option) => format!(
                    "no {path}\nand its place is on a file system mounted {option}\n-> {ELSEWHERE}"
                ),
            };
        }
        if let Err(error) = &self.found {
            return format!("{path}: {error}\n-> name a folder in ROOTFS that you may enter");
        }
        let programs = with(&["bash", "ps"], |name| self.has(name));
        let found = format!("{path}, with {programs}");
        if let Some(option) = machine::forbidden_at(&self.path.join("dev/.")) {
            let why = format!("on a file system mounted {option}, where /dev/null is refused");
            return format!("{found}\n{why}\n-> {ELSEWHERE}");
        }
        if self.has_devices() {
            return found;
        }
        let advice = match rootfs::is_ours(&self.path) {
            true => format!("`{}`, as root", self.command()),
            false => format!(
                "it is another tool's; as root:\n   mkdir -p {path}/dev\n   \
                 mknod -m 666 {path}/dev/null c 1 3"
            ),
        };
        format!("{found}\nno device files, which take root\n-> {advice}")
    }
}

/// What to do about a root filesystem where device files or programs are refused.
const ELSEWHERE: &str =
    "put it elsewhere, as with `cargo run --bin rootfs -- ~/rootfs`, and name it in ROOTFS";

impl Facts {
    /// Reads and tries all there is to know before the steps themselves are tried.
    pub fn find() -> Self {
        let user = User::find();
        Self {
            rootfs: Rootfs::find(),
            sudo: machine::sudo(),
            cgroup: attempt(AS_CALLED, &["cgroup"], Path::new("/")),
            namespaces: Namespaces::find(AS_CALLED),
            unshared: (!user.is_admin).then(|| Namespaces::find(UNSHARE)),
            user,
        }
    }

    /// Whether a kind of namespace is refused since there are too many.
    pub fn lacks_room(&self) -> bool {
        let namespaces = self.namespaces.as_ref();
        namespaces.is_ok_and(|namespaces| !namespaces.without_room().is_empty())
    }

    /// Where nothing was found, there is no row.
    pub fn table(&self) -> String {
        let rows = [
            ("check", "found, and what to do".to_owned()),
            ("user", self.user()),
            ("WSL", machine::wsl().to_owned()),
            ("container", self.container()),
            ("kernel", machine::kernel()),
            ("namespaces", self.namespaces()),
            ("user namespaces", self.user_namespaces()),
            ("cgroups", machine::cgroups()),
            ("pids", self.pids()),
            ("mounts", machine::mounts_of_root()),
            ("/proc", machine::proc().to_owned()),
            ("programs", self.programs()),
            ("rootfs", self.rootfs.describe()),
        ];
        rows.map(|(check, found)| row(check, &found)).concat()
    }

    fn user(&self) -> String {
        let User { uid, outside, .. } = self.user;
        let who = match (uid, outside) {
            (0, None) => "root".to_owned(),
            (0, Some(outside)) => format!("root in a user namespace, uid {outside} outside"),
            (uid, _) => format!("uid {uid}"),
        };
        let rights = match (self.user.is_admin, uid) {
            (true, 1..) => ", with CAP_SYS_ADMIN",
            (false, 0) => ", without CAP_SYS_ADMIN",
            _ => "",
        };
        let advice = match (self.user.is_admin, self.user.can_be_admin, uid) {
            (true, ..) => "",
            (_, false, _) => {
                "\n-> the steps from 3 on need CAP_SYS_ADMIN, which here not even root gets"
            }
            (_, true, 0) => "\n-> the steps from 3 on need that capability",
            (_, true, _) => "\n-> the steps from 3 on take root: see the end",
        };
        format!("{who}{rights}{advice}")
    }

    /// Whether a container is in the way, as far as one can see that from inside, by the files
    /// that container engines leave.
    fn container(&self) -> String {
        let files = [
            "/.dockerenv",
            "/run/.containerenv",
            "/run/systemd/container",
        ];
        match files.into_iter().find(|path| Path::new(path).exists()) {
            Some(sign) if !self.user.can_be_admin => {
                format!("{sign} is a sign of one\n-> start it with `--privileged`, if you may")
            }
            _ => String::new(),
        }
    }

    fn namespaces(&self) -> String {
        let namespaces = match &self.namespaces {
            Ok(namespaces) => namespaces,
            Err(refusal) => return refusal.message.clone(),
        };
        let advice = namespaces.without_room().iter().map(|kind| {
            let name = format!("user.max_{kind}_namespaces");
            match machine::limit(&name) {
                Some(0) => lift(&format!("{name} is 0."), &format!("{name}=10000")),
                Some(limit) => format!(
                    "\n-> {name} is {limit}, and as many are in use; or these are nested too deep"
                ),
                None => String::new(),
            }
        });
        namespaces.describe().join("\n") + &advice.collect::<String>()
    }

    /// Tried as `unshare -r` by who needs it, and by the flag alone by who does not.
    fn user_namespaces(&self) -> String {
        let settings = machine::forbidding_settings();
        let found = match (&self.unshared, &self.namespaces) {
            (Some(Ok(namespaces)), _) if namespaces.have("uts") => {
                return format!("`unshare -r` gives {}", namespaces.describe().join("; "));
            }
            // What AppArmor lets one make has a root without any rights.
            (Some(Ok(_)), _) => "`unshare -r` works, but root may do nothing there",
            (Some(Err(refusal)), _) => &format!("`unshare -r` fails: {}", refusal.message),
            (None, Ok(namespaces)) if !namespaces.have("user") => "refused",
            (None, _) if settings.is_empty() => return "can be made".to_owned(),
            (None, _) => "can be made by root, but maybe not by others",
        };
        let advice = settings
            .iter()
            .map(|(setting, cure)| lift(&format!("{setting} forbids them."), cure));
        found.to_owned() + &advice.collect::<String>()
    }

    fn pids(&self) -> String {
        let refusal = match &self.cgroup {
            Ok(found) => return found.clone(),
            Err(refusal) => refusal,
        };
        // What follows the advice are commands.
        let lines = refusal.message.replace('\n', "\n   ");
        lines.replacen("\n   ", "\n-> ", 1)
    }

    fn programs(&self) -> String {
        let mut needed = vec!["bash", "ps"];
        if !self.user.is_admin {
            needed.push("unshare");
        }
        let is_there = |name: &str| find_in_path(name).is_some();
        let missing = needed.iter().filter(|name| !is_there(name));
        let advice = missing.map(|name| format!("\n-> `{}`", rootfs::package_command(name)));
        with(&needed, is_there) + &advice.collect::<String>()
    }
}

/// The names of programs, and whether each is there.
fn with(names: &[&str], is_there: impl Fn(&str) -> bool) -> String {
    let names = names.iter().map(|name| match is_there(name) {
        true => (*name).to_owned(),
        false => format!("no {name}"),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Advice about a setting of the kernel's that is in the way.
fn lift(why: &str, cure: &str) -> String {
    format!("\n-> {why} Until the next boot, this lifts it:\n   sudo sysctl {cure}")
}
