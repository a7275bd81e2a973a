//! Makes a root filesystem from this machine's own programs and the libraries they need.
//!
//! A root filesystem is a folder that a process can take for `/`. What `docker export`
//! and debootstrap make is one too; this one needs no network and no container engine.
//!
//! - [`place`]: where one is made, how it gets there, and what a killed process left.
//! - [`tree`]: the folder, by descriptors: no way out of it, and nothing half made.
//! - [`programs`], [`packages`]: what this machine has, what that needs, what brings it.
//!
//! Read: hier(7), ld.so(8), mknod(2), terminfo(5).

mod packages;
mod place;
mod programs;
mod tree;

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{SFlag, makedev};
use nix::unistd::geteuid;

use crate::place::{Place, State};
use crate::programs::Needs;
use crate::tree::Tree;

pub use crate::packages::command as package_command;
pub use crate::place::is_ours;

/// What makes root filesystems: for another version, they are to be made anew.
const SOURCE: &str = concat!(
    include_str!("lib.rs"),
    include_str!("packages.rs"),
    include_str!("place.rs"),
    include_str!("programs.rs"),
    include_str!("tree.rs"),
);

/// Programs that the book and the tests call.
const NEEDED: &[&str] = &[
    "bash", "cat", "dd", "echo", "env", "false", "hostname", "id", "ls", "mkdir", "mknod", "mount",
    "nsenter", "printf", "ps", "pwd", "readlink", "rm", "seq", "sh", "sleep", "touch", "true",
    "umount", "unshare",
];

/// Programs that make a shell livable, where this machine has them.
const WELCOME: &[&str] = &[
    "chmod", "clear", "cp", "cut", "date", "df", "findmnt", "free", "grep", "head", "kill", "ln",
    "mktemp", "mv", "nproc", "pgrep", "rmdir", "sed", "sort", "stat", "stty", "tail", "tee", "top",
    "tr", "tty", "uname", "uniq", "wc", "whoami", "xargs",
];

/// Device files, with the numbers that the kernel's `admin-guide/devices.txt` gives them.
const DEVICES: &[(&str, u64, u64)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const FOLDERS: &[&str] = &["dev", "etc", "proc", "root", "sys", "tmp", "usr/bin"];

const LINKS: &[(&str, &str)] = &[("usr/bin", "bin"), ("usr/bin", "sbin"), ("bin", "usr/sbin")];

const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
    ("etc/group", "root:x:0:\n"),
    // The first is read by Debian's bash, whatever HOME says; the second by every bash.
    ("etc/bash.bashrc", BASHRC),
    ("root/.bashrc", BASHRC),
];

/// HOME may still be a folder of the host.
const BASHRC: &str = "PS1='\\u@\\h:\\w\\$ '\n[ -d \"$HOME\" ] || HOME=/root\n";

/// Terminals that are everywhere, besides the one that TERM names.
const TERMINALS: &str = "dumb linux screen tmux-256color vt100 vt220 xterm xterm-256color";

/// Makes the root filesystem at `dir` if it is not there, adds `programs` to it, and tells
/// what was done.
///
/// # Errors
///
/// If this machine lacks a program, the disk is full, or what is at `dir` is somebody else's.
pub fn provide(dir: &Path, fresh: bool, programs: &[OsString]) -> Result<String> {
    // Without a `/` at its end.
    let dir: PathBuf = dir.components().collect();
    let place = Place::find(&dir)?;
    place.clear()?;
    let name = dir.display();
    let rootfs = match place.state()? {
        State::Free => make_at(&place, programs)?,
        State::Ours if fresh => make_at(&place, programs)?,
        State::Foreign if fresh || !programs.is_empty() => {
            bail!("{name} is there, but this program did not make it, and so leaves it alone")
        }
        State::Foreign => {
            return Ok(format!(
                "{name} is there already, and kept, though this program did not make it"
            ));
        }
        State::Ours => {
            let mut rootfs = Rootfs::at(place.open()?);
            let kept = rootfs.complete(programs);
            rootfs.tree.clear()?;
            kept?;
            if programs.is_empty() {
                let lack = rootfs.lack();
                return Ok(format!(
                    "{name} is there already, and kept (--fresh makes it anew){lack}"
                ));
            }
            return Ok(format!("{name}: added {}", rootfs.summary()));
        }
    };
    Ok(format!("{name}: {}", rootfs.summary()))
}

/// Makes a root filesystem, with `programs` in it too, and puts it at `dir`.
///
/// It grows beside `dir` and is moved there when it is whole, so that half of one is
/// never found. What was at `dir` is deleted.
///
/// # Errors
///
/// As for [`provide`].
pub fn make(dir: &Path, programs: &[OsString]) -> Result<()> {
    let place = Place::find(dir)?;
    place.clear()?;
    make_at(&place, programs).map(drop)
}

/// Makes a root filesystem in `folder` for all processes that ask for one, side by side, and
/// returns where it is. For another version of this library, or another user, it is another:
/// only root's has device files.
///
/// # Errors
///
/// As for [`provide`].
pub fn make_once(folder: &Path) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    geteuid().as_raw().hash(&mut hasher);
    SOURCE.hash(&mut hasher);
    let place = folder.join(format!("{:016x}", hasher.finish()));
    fs::create_dir_all(&place).with_context(|| format!("make {}", place.display()))?;
    let lock = place.join("lock");
    let lock = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .context("wait for the root filesystem")?;
    let path = place.join("rootfs");
    if !path.exists() {
        make(&path, &[])?;
    }
    Ok(path)
}

fn make_at(place: &Place, programs: &[OsString]) -> Result<Rootfs> {
    let old = place.make_room()?;
    let mut rootfs = Rootfs::at(place.begin()?);
    let made = rootfs.fill(programs);
    let made = rootfs.tree.clear().and(made);
    place.end(&mut rootfs.tree, old, made)?;
    Ok(rootfs)
}

/// A root filesystem in the making.
struct Rootfs {
    tree: Tree,
    /// The files taken so far, by device and inode: one with two names is copied once.
    taken: HashMap<(u64, u64), PathBuf>,
    programs: Vec<String>,
    bytes: u64,
    has_devices: bool,
}

impl Rootfs {
    fn at(tree: Tree) -> Self {
        Self {
            tree,
            taken: HashMap::new(),
            programs: Vec::new(),
            bytes: 0,
            has_devices: true,
        }
    }

    fn fill(&mut self, programs: &[OsString]) -> Result<()> {
        let find = |name: &&str| programs::find_program(OsStr::new(name));
        let mut paths = Vec::new();
        for name in NEEDED {
            paths.push(find(name).with_context(|| {
                let command = packages::command(name);
                format!("no {name} on this machine: `{command}` brings it")
            })?);
        }
        paths.extend(WELCOME.iter().filter_map(find));
        self.make_tree()?;
        for path in &paths {
            self.take(path)?;
        }
        self.take_named(programs)?;
        self.take_terminals()
    }

    /// Adds what a root filesystem of ours may lack.
    fn complete(&mut self, programs: &[OsString]) -> Result<()> {
        self.make_devices()?;
        self.take_named(programs)?;
        match self.take_terminals() {
            // What root has made needs nothing of this user's.
            Err(error) if is_refused(&error) => Ok(()),
            taken => taken,
        }
    }

    /// Makes the folders, the device files and the few files in /etc and /root.
    fn make_tree(&mut self) -> Result<()> {
        for name in FOLDERS {
            let mode = if *name == "tmp" { 0o1777 } else { 0o755 };
            self.tree.make_folder(Path::new(name), mode)?;
        }
        for (target, name) in LINKS {
            self.tree.link(target, Path::new(name))?;
        }
        for (name, text) in FILES {
            let text = text.as_bytes();
            let write = |file: &mut File| Ok(file.write_all(text)?);
            let written = self.tree.write(Path::new(name), 0o644, write);
            written.with_context(|| format!("write {name}"))?;
        }
        self.make_devices()
    }

    /// Makes the device files that are not there. Without root, `>/dev/null` may have made an
    /// ordinary file, which is replaced.
    fn make_devices(&mut self) -> Result<()> {
        for (name, major, minor) in DEVICES {
            let path = Path::new("dev").join(name);
            let found = self.tree.find(&path);
            if found.is_some_and(|file| tree::is(file, SFlag::S_IFCHR)) {
                continue;
            }
            if let Err(error) = self.tree.make_device(&path, makedev(*major, *minor)) {
                // Only root may, and not even root in a user namespace.
                if !is_refused(&error) {
                    return Err(error).context(format!("make /dev/{name}"));
                }
                self.has_devices = false;
            }
        }
        Ok(())
    }

    fn take_named(&mut self, programs: &[OsString]) -> Result<()> {
        let paths = programs.iter().map(|program| programs::named(program));
        for path in paths.collect::<Result<Vec<_>>>()? {
            self.take(&path)?;
        }
        Ok(())
    }

    /// Copies a program into /usr/bin, and what it needs to where it looks for that.
    fn take(&mut self, program: &Path) -> Result<()> {
        self.take_needs(program)?;
        let name = program.file_name().context("find the program's name")?;
        self.copy(program, &Path::new("/usr/bin").join(name))?;
        self.programs.push(name.to_string_lossy().into_owned());
        Ok(())
    }

    fn take_needs(&mut self, program: &Path) -> Result<()> {
        let needs = Needs::of(program)?;
        for library in &needs.libraries {
            let beside = library.with_file_name("libnss_files.so.2");
            // Until version 2.34 the C library opens this by itself, to read /etc/passwd.
            if library.ends_with("libc.so.6") && beside.exists() {
                self.copy(&beside, &beside)?;
            }
            self.copy(library, library)?;
        }
        for interpreter in &needs.interpreters {
            // A script may have one that is a script, and so on: until one is there.
            if self.tree.find(interpreter).is_none() {
                self.copy(interpreter, interpreter)?;
                self.take_needs(interpreter)?;
            }
        }
        Ok(())
    }

    /// Copies what terminals can do, without which bash cannot edit its command line.
    fn take_terminals(&mut self) -> Result<()> {
        let named = env::var_os("TERM").unwrap_or_default();
        let names = TERMINALS
            .split(' ')
            .map(OsStr::new)
            .chain([named.as_os_str()]);
        for name in names {
            if let Some((path, end)) = find_terminal(name) {
                let mut of_all = ["/etc", "/lib", "/usr"].iter();
                let to = match of_all.any(|top| path.starts_with(top)) {
                    true => path.clone(),
                    false => Path::new("/usr/share/terminfo").join(end),
                };
                self.copy(&path, &to)?;
            }
        }
        Ok(())
    }

    /// Copies a file to the absolute path `to` of the root filesystem, if it is not there.
    fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        if self.tree.find(to).is_some() {
            return Ok(());
        }
        let rootfs = tree::shown(self.tree.path());
        let copied = self.copy_new(from, to);
        copied.with_context(|| format!("copy {} to {rootfs}", from.display()))
    }

    fn copy_new(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.tree.make_folder(to.parent().unwrap_or(to), 0o755)?;
        let mut source = File::open(from)?;
        let file = source.metadata()?;
        if let Some(twin) = self.taken.get(&(file.dev(), file.ino())) {
            return self.tree.name_again(twin, to);
        }
        // A second program with the setuid bit is not wanted.
        let mode = file.mode() & 0o755;
        self.tree.write(to, mode, |copy| {
            io::copy(&mut source, copy)?;
            Ok(())
        })?;
        self.bytes += file.len();
        self.taken
            .insert((file.dev(), file.ino()), to.to_path_buf());
        Ok(())
    }

    fn lack(&self) -> &'static str {
        if self.has_devices {
            ""
        } else {
            "; no device files, which take root: `rootfs` as root adds them"
        }
    }

    fn summary(&self) -> String {
        let lack = self.lack();
        let count = self.programs.len();
        let plural = if count == 1 { "" } else { "s" };
        let names = self.programs.join(" ");
        let megabytes = self.bytes as f64 / 1e6;
        format!("{count} program{plural} ({names}), with libraries {megabytes:.1} MB{lack}")
    }
}

fn is_refused(error: &Error) -> bool {
    let errno = error.downcast_ref();
    matches!(errno, Some(Errno::EPERM | Errno::EACCES | Errno::EROFS))
}

/// The file about a terminal, and the end of its path: `x/xterm`, or on some systems
/// `78/xterm`, by the first letter's number.
fn find_terminal(name: &OsStr) -> Option<(PathBuf, PathBuf)> {
    let text = name.to_str()?;
    let first = text.chars().next()?;
    if !first.is_ascii_alphanumeric() || text.contains('/') {
        return None;
    }
    // terminfo(5), "Fetching Compiled Descriptions".
    let own = env::var_os("HOME").map(|home| Path::new(&home).join(".terminfo"));
    let named = env::var_os("TERMINFO").map(PathBuf::from);
    let list = env::var_os("TERMINFO_DIRS").unwrap_or_default();
    let all = ["/etc", "/lib", "/usr/share", "/usr/lib"].map(|top| Path::new(top).join("terminfo"));
    let folders = named.into_iter().chain(own).chain(env::split_paths(&list));
    let mut folders = folders.chain(all).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| {
        let ends = [first.to_string(), format!("{:x}", u32::from(first))]
            .map(|letter| Path::new(&letter).join(name));
        let end = ends.into_iter().find(|end| folder.join(end).is_file())?;
        Some((folder.join(&end), end))
    })
}
