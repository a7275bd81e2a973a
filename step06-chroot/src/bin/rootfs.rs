//! Makes a root filesystem from this machine's own programs and the libraries they need.
//!
//! A root filesystem is a folder that a process can take for `/`. What `docker export`
//! and debootstrap make is one too; this one needs no network and no container engine.
//!
//! Read: hier(7), ldd(1), ld.so(8), mknod(2).

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{AccessFlags, access};

const USAGE: &str = "\
usage: rootfs [DIR] [--fresh] [--add PROGRAM]...

Makes a root filesystem in DIR, or in rootfs. One that is there is kept; if it lacks
device files, since it was made without root, root adds them.

  --fresh         make it anew
  --add PROGRAM   take PROGRAM too (a name or a path), with the libraries it needs";

/// Programs that the book and the tests call, by the Debian package that has them.
const NEEDED: &[(&str, &[&str])] = &[
    ("bash", &["bash"]),
    (
        "coreutils",
        &[
            "cat", "dd", "echo", "env", "false", "id", "ls", "mkdir", "mknod", "printf", "pwd",
            "readlink", "rm", "seq", "sleep", "touch", "true",
        ],
    ),
    ("dash", &["sh"]),
    ("hostname", &["hostname"]),
    ("mount", &["mount", "umount"]),
    ("procps", &["ps"]),
    ("util-linux", &["nsenter", "unshare"]),
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

const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
    ("etc/group", "root:x:0:\n"),
    // The first is read by Debian's bash, whatever HOME says; the second by every bash.
    ("etc/bash.bashrc", PROMPT),
    ("root/.bashrc", PROMPT),
    (
        MARK,
        "Made by `cargo run --bin rootfs`, which may also delete this folder.\n",
    ),
];

const PROMPT: &str = "PS1='\\u@\\h:\\w\\$ '\n";

/// Only a folder with this file in it is ever changed or deleted.
const MARK: &str = ".made-by-rootfs";

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        writeln!(io::stderr(), "error: {error:#}").ok();
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    let mut dir = None;
    let mut fresh = false;
    let mut programs = Vec::new();
    let mut args = env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return say(USAGE),
            Some("--fresh") => fresh = true,
            Some("--add") => programs.push(args.next().context(USAGE)?),
            Some(option) if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
            _ if dir.is_none() => dir = Some(PathBuf::from(arg)),
            _ => bail!("more than one DIR\n{USAGE}"),
        }
    }
    // Whoever presses Ctrl-C gets all or nothing: this takes a second at the most.
    SigSet::all().thread_block().context("block signals")?;
    let dir = dir.unwrap_or_else(|| "rootfs".into());
    // Without a `/` at its end, so that a name can be made from it.
    provide(&dir.components().collect::<PathBuf>(), fresh, &programs)
}

/// Makes the root filesystem at `dir` if it is not there, and adds `programs` to it.
fn provide(dir: &Path, fresh: bool, programs: &[OsString]) -> Result<ExitCode> {
    let name = dir.display();
    let is_there = fs::read_dir(dir).map_or(dir.exists(), |mut files| files.next().is_some());
    let is_ours = dir.join(MARK).is_file();
    if is_there && !is_ours && (fresh || !programs.is_empty()) {
        bail!("{name} is there, but this program did not make it, and so leaves it alone");
    }
    if !is_there || fresh {
        let rootfs = make(dir, programs)?;
        return say(&format!("{name}: {}", rootfs.summary()));
    }
    let mut rootfs = Rootfs::at(dir);
    if is_ours {
        rootfs.make_devices()?;
    }
    if programs.is_empty() {
        let lack = rootfs.lack();
        return say(&format!(
            "{name} is there already, and kept (--fresh makes it anew){lack}"
        ));
    }
    rootfs.take_named(programs)?;
    say(&format!("{name}: added {}", rootfs.summary()))
}

/// Makes a root filesystem, with `programs` in it too, and puts it at `dir`.
///
/// It grows beside `dir` and is moved there when it is whole, so that half of one is
/// never found. What was at `dir` is deleted.
pub fn make(dir: &Path, programs: &[OsString]) -> Result<Rootfs> {
    refuse_mounts(dir)?;
    let part = beside(dir, "part");
    let made = fill(&part, programs).and_then(|rootfs| {
        put(&part, dir)?;
        Ok(rootfs)
    });
    if made.is_err() && part.exists() {
        delete(&part)?;
    }
    made
}

fn fill(dir: &Path, programs: &[OsString]) -> Result<Rootfs> {
    let mut paths = Vec::new();
    for (package, names) in NEEDED {
        for name in *names {
            let path = find_program(OsStr::new(name));
            paths.push(path.with_context(|| {
                format!("no {name} on this machine: `apt-get install {package}` brings it")
            })?);
        }
    }
    paths.extend(
        WELCOME
            .iter()
            .filter_map(|name| find_program(OsStr::new(name))),
    );
    let mut rootfs = Rootfs::at(dir);
    rootfs.make_tree()?;
    rootfs.take(&paths)?;
    rootfs.take_named(programs)?;
    rootfs.take_terminals()?;
    Ok(rootfs)
}

/// Moves the finished folder `part` to `dir`.
fn put(part: &Path, dir: &Path) -> Result<()> {
    let old = beside(dir, "old");
    if dir.exists() {
        fs::rename(dir, &old).with_context(|| format!("move {} away", dir.display()))?;
    }
    fs::rename(part, dir).with_context(|| format!("move the new files to {}", dir.display()))?;
    if old.exists() { delete(&old) } else { Ok(()) }
}

/// Deleting a folder deletes what is mounted in it: a user's home, at the worst.
fn refuse_mounts(dir: &Path) -> Result<()> {
    // A folder that is not there yet has nothing in it.
    let Ok(dir) = dir.canonicalize() else {
        return Ok(());
    };
    let mounts = fs::read("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    let mounts = String::from_utf8_lossy(&mounts).replace("\\040", " ");
    for line in mounts.lines() {
        // proc_pid_mountinfo(5): the fifth field is the mount point.
        let point = line.split(' ').nth(4);
        if let Some(point) = point.filter(|point| Path::new(point).starts_with(&dir)) {
            bail!(
                "something is mounted in {}: unmount it first ({point})",
                dir.display()
            );
        }
    }
    Ok(())
}

fn delete(dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir).with_context(|| format!("delete {}", dir.display()))
}

/// A name for this process alone, in the same folder and so on the same file system.
fn beside(dir: &Path, what: &str) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(format!(".{what}-{}", process::id()));
    PathBuf::from(name)
}

/// A root filesystem in the making.
pub struct Rootfs {
    dir: PathBuf,
    /// The files taken so far, by device and inode: one with two names is copied once.
    taken: HashMap<(u64, u64), PathBuf>,
    programs: Vec<String>,
    bytes: u64,
    has_devices: bool,
}

impl Rootfs {
    fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            taken: HashMap::new(),
            programs: Vec::new(),
            bytes: 0,
            has_devices: true,
        }
    }

    /// Makes the folders, the device files and the few files in /etc and /root.
    fn make_tree(&mut self) -> Result<()> {
        for name in [
            "", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "usr/bin",
        ] {
            make_dir(
                &self.dir.join(name),
                if name == "tmp" { 0o1777 } else { 0o755 },
            )?;
        }
        for (target, name) in [("usr/bin", "bin"), ("usr/bin", "sbin"), ("bin", "usr/sbin")] {
            symlink(target, self.dir.join(name)).with_context(|| format!("link {name}"))?;
        }
        for (name, text) in FILES {
            fs::write(self.dir.join(name), text).with_context(|| format!("write {name}"))?;
        }
        self.make_devices()
    }

    /// Makes the device files that are not there.
    fn make_devices(&mut self) -> Result<()> {
        for (name, major, minor) in DEVICES {
            let path = self.dir.join("dev").join(name);
            if fs::metadata(&path).is_ok_and(|file| file.file_type().is_char_device()) {
                continue;
            }
            // Without root, `>/dev/null` may have made an ordinary file there: replace it.
            let part = beside(&path, "part");
            let device = makedev(*major, *minor);
            match mknod(&part, SFlag::S_IFCHR, Mode::empty(), device) {
                Ok(()) => {
                    set_mode(&part, 0o666)?;
                    fs::rename(&part, &path).with_context(|| format!("make /dev/{name}"))?;
                }
                // Only root may, and not even root in a user namespace.
                Err(Errno::EPERM) => self.has_devices = false,
                Err(errno) => return Err(errno).context(format!("make /dev/{name}")),
            }
        }
        Ok(())
    }

    fn take_named(&mut self, programs: &[OsString]) -> Result<()> {
        let find = |program: &OsString| {
            let name = program.to_string_lossy();
            find_program(program).with_context(|| format!("no program {name} on this machine"))
        };
        let paths = programs.iter().map(find).collect::<Result<Vec<_>>>()?;
        if paths.is_empty() {
            Ok(())
        } else {
            self.take(&paths)
        }
    }

    /// Copies programs into /usr/bin, and the libraries they need to where they look for them.
    fn take(&mut self, programs: &[PathBuf]) -> Result<()> {
        for library in libraries(programs)? {
            let beside = library.with_file_name("libnss_files.so.2");
            // Until version 2.34 the C library opens this by itself, to read /etc/passwd.
            if library.ends_with("libc.so.6") && beside.exists() {
                self.copy(&beside, &beside)?;
            }
            self.copy(&library, &library)?;
        }
        for program in programs {
            let name = program.file_name().context("find the program's name")?;
            self.programs.push(name.to_string_lossy().into_owned());
            self.copy(program, &Path::new("/usr/bin").join(name))?;
        }
        Ok(())
    }

    /// Copies what terminals can do, without which bash cannot edit its command line.
    fn take_terminals(&mut self) -> Result<()> {
        for terminal in [
            "linux",
            "screen",
            "tmux-256color",
            "vt100",
            "xterm",
            "xterm-256color",
        ] {
            for base in ["/lib/terminfo", "/usr/share/terminfo"] {
                let path = Path::new(base).join(&terminal[..1]).join(terminal);
                if path.exists() {
                    self.copy(&path, &path)?;
                }
            }
        }
        Ok(())
    }

    /// Copies a file to the absolute path `to` of the root filesystem, if it is not there.
    fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        let what = || format!("copy {} to {}", from.display(), self.dir.display());
        let to = self.dir.join(to.strip_prefix("/").unwrap_or(to));
        if to.exists() {
            return Ok(());
        }
        let parent = to.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).with_context(what)?;
        let file = fs::metadata(from).with_context(what)?;
        if let Some(twin) = self.taken.get(&(file.dev(), file.ino())) {
            return fs::hard_link(twin, &to).with_context(what);
        }
        fs::copy(from, &to).with_context(what)?;
        // fs::copy keeps the mode; a second program with the setuid bit is not wanted.
        set_mode(&to, file.mode() & 0o755)?;
        self.bytes += file.len();
        self.taken.insert((file.dev(), file.ino()), to);
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

/// Finds a program by its path, or by its name as a shell would, with `sbin` too.
fn find_program(name: &OsStr) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .map(PathBuf::from)
        .into();
    if Path::new(name).components().count() > 1 {
        folders = vec![PathBuf::new()];
    } else if let Some(path) = env::var_os("PATH") {
        folders.extend(env::split_paths(&path));
    }
    let paths = folders.into_iter().map(|folder| folder.join(name));
    paths
        .into_iter()
        .find(|path| access(path, AccessFlags::X_OK).is_ok() && path.is_file())
}

/// The shared libraries that programs need, and the loader that finds them.
///
/// ldd(1) has four kinds of lines: `PROGRAM:`, `NAME => PATH (ADDRESS)`, `PATH (ADDRESS)`,
/// and a name alone for what the kernel brings. A program without libraries is no error.
fn libraries(programs: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let ldd = Command::new("ldd")
        .args(programs)
        .env("LC_ALL", "C")
        .output();
    let lines = String::from_utf8_lossy(&ldd.context("execute ldd")?.stdout).into_owned();
    if let Some(line) = lines.lines().find(|line| line.ends_with("not found")) {
        bail!(
            "a program lacks a library on this machine, and cannot run: {}",
            line.trim()
        );
    }
    let words = lines.split_whitespace();
    let paths = words.filter(|word| word.starts_with('/') && !word.ends_with(':'));
    Ok(paths.map(PathBuf::from).collect())
}

fn make_dir(path: &Path, mode: u32) -> Result<()> {
    fs::create_dir(path).with_context(|| format!("make the folder {}", path.display()))?;
    set_mode(path, mode)
}

/// Unlike the mode that a file is made with, this is not masked by umask(2).
fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of {}", path.display()))
}

fn say(line: &str) -> Result<ExitCode> {
    writeln!(io::stdout(), "{line}").context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
