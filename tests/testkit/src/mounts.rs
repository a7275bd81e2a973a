//! Mounts that make a host for a test: what is read-only there, what is covered, and what can
//! be written to and is thrown away.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kernelfiles::mountinfo::{self, Mount};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::fstatfs;

/// Mounts a file system of such a kind on the folder `path`, with options of its own.
pub fn mount_new(kind: &str, path: &Path, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(kind), path, Some(kind), flags, Some(options))
        .with_context(|| format!("mount {kind} ({options}) on {}", path.display()))
}

/// Mounts an empty file system of a size such as `2m` on the folder `path`.
pub fn mount_tmpfs(path: &Path, size: &str) -> Result<()> {
    mount_new("tmpfs", path, MsFlags::empty(), &format!("size={size}"))
}

/// Mounts a file or a folder a second time.
pub fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("mount {} on {}", from.display(), to.display()))
}

/// Says whom the mounts tell, here and in all that is mounted below, of new ones.
pub fn propagate(propagation: MsFlags) -> Result<()> {
    let flags = MsFlags::MS_REC | propagation;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .context("change the propagation of /")
}

/// Makes a mount read-only.
pub fn remount_read_only(path: &Path) -> Result<()> {
    remount(path, MsFlags::MS_RDONLY).with_context(|| format!("make {} read-only", path.display()))
}

fn remount(path: &Path, flags: MsFlags) -> nix::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags;
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

/// Unmounts what is mounted on the folder `path`, at once or when nobody uses it any more.
pub fn unmount(path: &Path) -> Result<()> {
    umount2(path, MntFlags::MNT_DETACH).with_context(|| format!("unmount {}", path.display()))
}

/// Unmounts all that is mounted on the folder `path`: a program may have mounted something
/// there, too.
pub fn unmount_all(path: &Path) {
    while unmount(path).is_ok() {}
}

/// File systems that a program has to write to, and those that hold nothing to write.
const WRITABLE: &[&str] = &[
    "autofs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "nsfs",
    "proc",
    "selinuxfs",
];

/// Keeps the programs under test from this machine's files, and from the settings in /sys.
///
/// A test may delete /etc/passwd, since the program is to have a root filesystem of its own,
/// or one whose changes are thrown away. The one that is tested may have neither.
pub fn make_files_read_only() -> Result<()> {
    for mount in mountinfo::read("/proc/thread-self/mountinfo")? {
        if WRITABLE.contains(&mount.kind.as_str()) {
            continue;
        }
        let point = &mount.point;
        match remount(point, MsFlags::MS_RDONLY | flags_of(&mount)) {
            // Nobody can reach it: another mount lies on top, or it is another user's (FUSE).
            Err(Errno::EACCES | Errno::EINVAL | Errno::ENOENT) if point != Path::new("/") => {}
            result => result.with_context(|| format!("make {} read-only", point.display()))?,
        }
    }
    Ok(())
}

/// What a mount does not allow, and must not because it is mounted anew.
pub fn flags_of(mount: &Mount) -> MsFlags {
    let flags = [
        ("ro", MsFlags::MS_RDONLY),
        ("nosuid", MsFlags::MS_NOSUID),
        ("nodev", MsFlags::MS_NODEV),
        ("noexec", MsFlags::MS_NOEXEC),
        ("noatime", MsFlags::MS_NOATIME),
        ("nodiratime", MsFlags::MS_NODIRATIME),
        ("relatime", MsFlags::MS_RELATIME),
    ];
    let flags = flags.into_iter().filter(|(option, _)| mount.is(option));
    flags.map(|(_, flag)| flag).collect()
}

/// What in /proc is about the whole machine.
const SETTINGS: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Keeps the programs under test from the machine's settings.
///
/// A user namespace may mount a /proc only where there is one with nothing mounted in it
/// (`mount_too_revealing` in the kernel). So there is another, at `whole`, out of the way.
pub fn make_settings_read_only(whole: &Path) -> Result<()> {
    fs::create_dir(whole).context("make a folder")?;
    mount_new("proc", whole, MsFlags::empty(), "")?;
    for name in SETTINGS {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            bind(&path, &path)?;
            remount_read_only(&path)?;
        }
    }
    Ok(())
}

/// A network namespace begins with a loopback device that is down. In /sys it can be brought
/// up, but only in one that was mounted in this namespace.
pub fn bring_lo_up(place: &Path) -> Result<()> {
    mount_new("sysfs", place, MsFlags::empty(), "")?;
    // IFF_UP, see netdevice(7).
    let brought = fs::write(place.join("class/net/lo/flags"), "1").context("bring lo up");
    unmount(place)?;
    brought
}

/// A folder that is mounted a second time. It is unmounted when this value is dropped.
pub struct Exposed(PathBuf);

impl Exposed {
    /// Mounts `path` on the empty folder `place`, which every user can reach then.
    pub fn at(place: PathBuf, path: &Path) -> Result<Self> {
        fs::set_permissions(&place, Permissions::from_mode(0o755))
            .context("let every user into a temporary folder")?;
        bind(path, &place)?;
        Ok(Self(place))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        unmount_all(&self.0);
        // No file is deleted here: it could be one of a folder that is still mounted.
        fs::remove_dir(&self.0).ok();
    }
}

/// Lets every user get to the folder `path`: an empty folder covers the one above it that
/// is closed to others, and has nothing in it but the way.
pub fn open_the_way_to(path: &Path) -> Result<()> {
    let path = path.canonicalize().context("find a folder")?;
    let is_closed = |folder: &&Path| {
        let mode = fs::metadata(folder).map(|folder| folder.permissions().mode());
        mode.is_ok_and(|mode| mode & 1 == 0)
    };
    let Some(closed) = path.ancestors().skip(1).filter(is_closed).last() else {
        return Ok(());
    };
    let folder = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    mount_tmpfs(closed, "1m")?;
    fs::set_permissions(closed, Permissions::from_mode(0o755)).context("let every user in")?;
    fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
    bind(&by_descriptor(&folder), &path)
}

/// A path for what is open. It has no colon in it, and leads there whatever has been mounted
/// over it.
pub fn by_descriptor(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/thread-self/fd/{}", file.as_raw_fd()))
}

/// What statfs(2) calls an overlay.
const OVERLAY: u64 = 0x794c_7630;

/// Lets programs write to the folder `path`, and what they write goes to the empty folder
/// `changes`. Not every file system can lie below an overlay: then it stays as it is, and also
/// if it is an overlay itself, and `program_makes_one` on top of it.
pub fn copy_on_write(path: &Path, changes: &Path, program_makes_one: bool) -> Result<()> {
    let lower = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let kind = fstatfs(&lower).context("look at the root filesystem")?;
    if program_makes_one && kind.f_type as u64 == OVERLAY {
        return Ok(());
    }
    let [upper, work] = ["upper", "work"].map(|name| changes.join(name));
    let mode = lower.metadata().context("look at the root filesystem")?;
    for folder in [&upper, &work] {
        fs::create_dir(folder).context("make a folder for an overlay")?;
    }
    fs::set_permissions(&upper, mode.permissions()).context("give it the same mode")?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        by_descriptor(&lower).display(),
        upper.display(),
        work.display()
    );
    mount_new("overlay", path, MsFlags::empty(), &options).ok();
    Ok(())
}
