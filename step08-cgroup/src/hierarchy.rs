//! Where in the tree of this machine a cgroup may be made: with cgroup v2, cgroup v1, or both
//! side by side.
//!
//! Read `cgroup.rs` first: it says what a cgroup is good for.
//!
//! Read: cgroups(7), proc_pid_mountinfo(5), and `admin-guide/cgroup-v2.rst` in the kernel's
//! documentation.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::{ffi::OsStringExt, fs::MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail};
use nix::sys::stat::{major, minor};
use nix::unistd::{AccessFlags, access};

/// Finds the directory in which to make a cgroup with a controller.
///
/// One hierarchy has it. If it is one of version 1, then /proc/self/cgroup says so:
/// `8:pids:/`. The line of version 2 names none: `0::/`.
pub fn find_parent(controller: &str) -> Result<PathBuf> {
    let cgroups = read(Path::new("/proc/self/cgroup"))
        .context("find our cgroup (takes a /proc: `mount -t proc proc /proc`)")?;
    let mut lines = cgroups.split('\n');
    for line in lines.clone() {
        let controllers = line.split(':').nth(1).unwrap_or_default();
        if controllers.split(',').any(|name| name == controller) {
            return Ok(find_mount("cgroup", controller)?.point);
        }
    }
    let own = lines.find_map(|line| line.strip_prefix("0::"));
    let own = own.context("find a cgroup of version 2 in /proc/self/cgroup")?;
    Ok(find_writable(&find_mount("cgroup2", "")?, &to_path(own)))
}

/// A mounted cgroup hierarchy.
struct Mount {
    /// The cgroup that is seen at the mount point: the top one, or one below it.
    root: PathBuf,
    point: PathBuf,
}

/// Finds a mount by the type of its file system and one of its options, if that is
/// not empty. It has to be seen: over a mount there may be another, and what we made in
/// that would limit nothing.
///
/// proc_pid_mountinfo(5): `36 31 0:33 ROOT POINT rw,relatime - TYPE SOURCE OPTIONS`
fn find_mount(kind: &str, option: &str) -> Result<Mount> {
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let mount = mounts.split('\n').find_map(|line| {
        let (place, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let is_kind = file_system.next()? == kind;
        let mut options = file_system.nth(1)?.split(',');
        if !is_kind || !(option.is_empty() || options.any(|o| o == option)) {
            return None;
        }
        let mut place = place.split(' ').skip(2);
        let device = place.next()?;
        let mut place = place.map(|path| to_path(&unescaped(path)));
        let mount = Mount {
            root: place.next()?,
            point: place.next()?,
        };
        (device_of(&mount.point) == device).then_some(mount)
    });
    mount.with_context(|| {
        let what = format!("find a {kind} file system {option}");
        format!(
            "{}: none is mounted, or another over it; see cgroups(7)",
            what.trim_end()
        )
    })
}

/// In mountinfo a blank, a tab, a newline and a backslash are written so.
fn unescaped(path: &str) -> String {
    let path = path.replace("\\040", " ").replace("\\011", "\t");
    path.replace("\\012", "\n").replace("\\134", "\\")
}

/// The device that the file at `path` is on, as mountinfo has it.
fn device_of(path: &Path) -> String {
    let device = fs::metadata(path).map_or(0, |file| file.dev());
    format!("{}:{}", major(device), minor(device))
}

/// The topmost cgroup, from the mount point down to `own`, that we may write to.
///
/// For root that is the mount point itself. An ordinary user may write only to what
/// has been delegated to them, and move processes only within that.
fn find_writable(mount: &Mount, own: &Path) -> PathBuf {
    let own = own.strip_prefix(&mount.root).unwrap_or(Path::new(""));
    let path: PathBuf = mount.point.components().chain(own.components()).collect();
    path.ancestors()
        .take_while(|cgroup| cgroup.starts_with(&mount.point))
        .filter(|cgroup| access(*cgroup, AccessFlags::W_OK).is_ok())
        .last()
        .unwrap_or(&mount.point)
        .to_path_buf()
}

/// Gives the children of the cgroup at `parent` a controller, and so its files.
pub fn enable(controller: &str, parent: &Path) -> Result<()> {
    let control = parent.join("cgroup.subtree_control");
    // Version 1 has no such file: there, all have all controllers of their hierarchy.
    if !control.exists() {
        return Ok(());
    }
    let enabled = read(&control)?;
    if enabled.split_whitespace().any(|name| name == controller) {
        return Ok(());
    }
    // Processes live in the leaves ("no internal processes"). Only the real root is
    // exempt, which has no cgroup.type. Elsewhere the kernel would refuse +memory, or
    // take +pids and then, with EOPNOTSUPP, refuse every process that wants to join.
    if parent.join("cgroup.type").exists() && !read(&parent.join("cgroup.procs"))?.is_empty() {
        bail!(
            "the cgroup {0} holds processes, and so its children cannot have controllers\n\
             Move the processes into a child of their own, and try again:\n  \
             mkdir {0}/init\n  \
             xargs -n1 < {0}/cgroup.procs > {0}/init/cgroup.procs",
            parent.display()
        );
    }
    write(&control, &format!("+{controller}"))
}

/// Says what was refused, why, and what to do about it.
pub fn refused(parent: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; without root it takes a delegated cgroup, such as `systemd-run --user --scope \
             -p Delegate=yes` makes for the command that follows"
        }
        ErrorKind::ReadOnlyFilesystem => "; a container needs `--privileged` to write there",
        _ => "",
    };
    anyhow!("make a cgroup in {}: {error}{advice}", parent.display())
}

/// Reads a file of the kernel's. A path in it need not be UTF-8, so that each byte becomes
/// a character: `to_path` makes it bytes again.
pub fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(bytes.into_iter().map(char::from).collect())
}

fn to_path(text: &str) -> PathBuf {
    OsString::from_vec(text.chars().map(|byte| byte as u8).collect()).into()
}

/// Writes to a file that the kernel has made: one that we made would limit nothing.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let file = fs::File::options().write(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {text} to {}", path.display()))
}
