//! A folder and all below it, held by descriptors: nothing that is done here follows a link
//! out of it, or crosses a mount.
//!
//! Links in a root filesystem are read as whoever lives in it reads them, so that one made in
//! a container cannot lead root to a file of the host. And what is mounted in it, as a user's
//! home may be, is left alone: the kernel itself is asked, for no list of mounts would tell
//! about one that comes a moment later.
//!
//! Read: openat2(2), flock(2), umask(2).

use std::env;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{
    AT_FDCWD, AtFlags, Flock, FlockArg, OFlag, OpenHow, ResolveFlag, openat, openat2, renameat,
};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, fchmod, fchmodat, fstat, mkdirat, mknodat,
};
use nix::unistd::{
    AccessFlags, UnlinkatFlags, faccessat, geteuid, linkat, mkdtemp, symlinkat, unlinkat,
};

/// What a file is called before it is whole: it lies in a workshop then, a folder whose name
/// begins so.
const FILE: &str = "file";
const WORKSHOP: &str = ".part-";

/// A folder that is held open.
pub struct Tree {
    top: OwnedFd,
    path: PathBuf,
    /// Held as long as this program works here: the kernel lets go of it, whatever ends us.
    lock: Option<Flock<OwnedFd>>,
    workshop: Option<Box<Tree>>,
}

/// Who works on a folder?
#[derive(Clone, Copy, PartialEq)]
pub enum Holder {
    We,
    Another,
    /// This file system knows no locks.
    Unknown,
}

impl Tree {
    /// Opens the folder at `path`, which must not be a link.
    pub fn open(path: &Path) -> Result<Self> {
        let top = openat(AT_FDCWD, path, folder_flags(), Mode::empty());
        let top = top.with_context(|| format!("open {}", shown(path)))?;
        Ok(Self::new(top, path))
    }

    fn new(top: OwnedFd, path: &Path) -> Self {
        Self {
            top,
            path: path.to_path_buf(),
            lock: None,
            workshop: None,
        }
    }

    /// Makes a folder with a new name that begins so, which only we can enter, and locks it.
    pub fn make(start: &Path) -> Result<Self> {
        let mut name = start.as_os_str().to_owned();
        name.push("XXXXXX");
        let folder = start.parent().unwrap_or(start);
        let context = || format!("make a folder in {}", shown(folder));
        loop {
            let path = mkdtemp(name.as_os_str()).with_context(context)?;
            // Whatever a umask took away.
            let mode = set_mode(AT_FDCWD, path.as_os_str(), 0o700).with_context(context);
            // Whoever clears up, and sees it empty and not locked yet, may have deleted it.
            match mode.and_then(|()| Self::open(&path)) {
                Err(error) if error.downcast_ref() == Some(&Errno::ENOENT) => continue,
                tree => {
                    let mut tree = tree?;
                    tree.lock(FlockArg::LockExclusiveNonblock)?;
                    if fstat(&tree.top)?.st_nlink > 0 {
                        return Ok(tree);
                    }
                }
            }
        }
    }

    /// Locks it, as long as this value lives, unless another has.
    ///
    /// It takes a moment until a process that was killed lets go of its lock: what it has just
    /// started is a copy of it, until that executes its program.
    pub fn lock(&mut self, how: FlockArg) -> Result<Holder> {
        let mut top = folder_below(self.top.as_fd(), c".").context("open a folder")?;
        for _ in 0..100 {
            top = match Flock::lock(top, how) {
                Ok(lock) => {
                    self.lock = Some(lock);
                    return Ok(Holder::We);
                }
                Err((top, Errno::EWOULDBLOCK)) => top,
                Err(_) => return Ok(Holder::Unknown),
            };
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Holder::Another)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `path` leads to in here.
    pub fn find(&self, path: impl AsRef<Path>) -> Option<FileStat> {
        fstat(open_within(self.top.as_fd(), path.as_ref(), OFlag::O_PATH).ok()?).ok()
    }

    pub fn is_empty(&self) -> Result<bool> {
        Ok(names(self.top.as_fd())?.is_empty())
    }

    /// The folder of `path`, as whoever has this tree for `/` would find it, and the name.
    fn place<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        let name = path.file_name().context("find the name of a file")?;
        let parent = path.parent().unwrap_or(Path::new(""));
        let folder = open_within(self.top.as_fd(), parent, OFlag::O_PATH | OFlag::O_DIRECTORY);
        let folder = folder.with_context(|| format!("open the folder {}", parent.display()))?;
        Ok((folder, name))
    }

    /// Makes a folder, and those that it lies in, where they are not there.
    ///
    /// As for all that is made here, the mode is set afterwards: a umask has no say in it.
    pub fn make_folder(&self, path: &Path, mode: u32) -> Result<()> {
        if self.find(path).is_some() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_folder(parent, 0o755)?;
        }
        let (folder, name) = self.place(path)?;
        let made = mkdirat(&folder, name, Mode::S_IRWXU);
        made.and_then(|()| set_mode(&folder, name, mode))
            .with_context(|| format!("make the folder {}", path.display()))
    }

    /// Sets the mode of the folder itself.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        fchmod(&self.top, bits(mode))
            .with_context(|| format!("set the mode of {}", shown(&self.path)))
    }

    pub fn link(&self, target: &str, path: &Path) -> Result<()> {
        let (folder, name) = self.place(path)?;
        symlinkat(target, &folder, name).with_context(|| format!("link {}", path.display()))
    }

    /// Gives the file at `from` a second name.
    pub fn name_again(&self, from: &Path, to: &Path) -> Result<()> {
        let ((old, old_name), (new, name)) = (self.place(from)?, self.place(to)?);
        Ok(linkat(&old, old_name, &new, name, AtFlags::empty())?)
    }

    /// Renames what lies in the folder itself.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(&self.top, from, &self.top, to)
            .with_context(|| format!("rename {from} in {}", shown(&self.path)))
    }

    /// Makes a file of what `fill` writes.
    pub fn write(
        &mut self,
        path: &Path,
        mode: u32,
        fill: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<()> {
        self.put(path, |workshop| {
            let mut file = new_file(workshop, FILE)?;
            fill(&mut file)?;
            Ok(fchmod(&file, bits(mode))?)
        })
    }

    /// Makes a file in the folder itself, at once: that it is there tells more than its text.
    pub fn mark(&self, name: &str, text: &[u8]) -> Result<()> {
        let mut file = new_file(self.top.as_fd(), name)
            .with_context(|| format!("create {name} in {}", shown(&self.path)))?;
        file.write_all(text)?;
        Ok(fchmod(&file, bits(0o644))?)
    }

    pub fn make_device(&mut self, path: &Path, device: u64) -> Result<()> {
        self.put(path, |workshop| {
            mknodat(workshop, FILE, SFlag::S_IFCHR, Mode::empty(), device)?;
            Ok(set_mode(workshop, OsStr::new(FILE), 0o666)?)
        })
    }

    /// Puts a file at `path` when it is whole, over what is there: half of one is never found.
    fn put(&mut self, path: &Path, make: impl FnOnce(BorrowedFd) -> Result<()>) -> Result<()> {
        let (folder, name) = self.place(path)?;
        if self.workshop.is_none() {
            self.workshop = Some(Box::new(Self::make(&self.path.join(WORKSHOP))?));
        }
        let workshop = self.workshop.as_ref().context("find the workshop")?;
        let workshop = workshop.top.as_fd();
        make(workshop)?;
        Ok(renameat(workshop, FILE, &folder, name)?)
    }

    /// Removes our workshop, and those of processes that were killed.
    pub fn clear(&mut self) -> Result<()> {
        self.workshop = None;
        for name in names(self.top.as_fd())? {
            if !name.to_bytes().starts_with(WORKSHOP.as_bytes()) {
                continue;
            }
            let Ok(top) = folder_below(self.top.as_fd(), &name) else {
                continue;
            };
            let path = self.path.join(os(&name));
            let mut workshop = Self::new(top, &path);
            if workshop.lock(FlockArg::LockExclusiveNonblock)? == Holder::We {
                unlinkat(&workshop.top, FILE, UnlinkatFlags::NoRemoveDir).ok();
                // If there is more in it, then it is not ours.
                unlinkat(&self.top, name.as_c_str(), UnlinkatFlags::RemoveDir).ok();
            }
        }
        Ok(())
    }
}

/// Fails unless we can delete the folder at `path`, and nothing is mounted on or in it.
pub fn expect_deletable(path: &Path) -> Result<()> {
    let (parent, name) = parent(path)?;
    check(parent.as_fd(), &name, path, path)
}

fn check(folder: BorrowedFd, name: &CStr, path: &Path, top: &Path) -> Result<()> {
    let entry = match open_below(folder, name, OFlag::O_PATH) {
        // Deleting a folder would delete what is mounted in it: a user's home, at the worst.
        Err(Errno::EXDEV) => bail!(
            "something is mounted in {}: unmount it first ({})",
            shown(top),
            shown(path)
        ),
        entry => entry.with_context(|| format!("look at {}", shown(path)))?,
    };
    if !is(fstat(&entry)?, SFlag::S_IFDIR) {
        return Ok(());
    }
    let names = match folder_below(entry.as_fd(), c".").and_then(|folder| names(folder.as_fd())) {
        Err(Errno::EACCES) => bail!(not_ours(path, top)),
        names => names.with_context(|| format!("list {}", shown(path)))?,
    };
    let may = AccessFlags::W_OK | AccessFlags::X_OK;
    if !names.is_empty() {
        match faccessat(&entry, ".", may, AtFlags::empty()) {
            Err(Errno::EACCES) => bail!(not_ours(path, top)),
            result => result.with_context(|| format!("change {}", shown(path)))?,
        }
    }
    for name in names {
        check(entry.as_fd(), &name, &path.join(os(&name)), top)?;
    }
    Ok(())
}

fn not_ours(path: &Path, top: &Path) -> String {
    let (path, top, uid) = (shown(path), shown(top), geteuid());
    format!(
        "{path} is another user's, and we may not delete what is in it; as root, \
         `chown -R {uid} {top}` makes it ours"
    )
}

/// Deletes the folder at `path`, with `last` in it as the last file.
pub fn delete(path: &Path, last: &str) -> Result<()> {
    let (parent, name) = parent(path)?;
    remove(parent.as_fd(), &name, last).with_context(|| format!("delete {}", shown(path)))
}

fn remove(folder: BorrowedFd, name: &CStr, last: &str) -> Result<()> {
    let below = match folder_below(folder, name) {
        Err(Errno::ENOTDIR | Errno::ELOOP) => {
            return Ok(unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?);
        }
        below => below?,
    };
    let mut names = names(below.as_fd())?;
    names.sort_by_key(|name| name.to_bytes() == last.as_bytes());
    for name in names {
        remove(below.as_fd(), &name, last).context(name.to_string_lossy().into_owned())?;
    }
    Ok(unlinkat(folder, name, UnlinkatFlags::RemoveDir)?)
}

/// The folder that `path` lies in, and its name there.
fn parent(path: &Path) -> Result<(OwnedFd, CString)> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path
        .file_name()
        .with_context(|| format!("find a name in {}", shown(path)))?;
    let folder = openat(AT_FDCWD, parent, folder_flags(), Mode::empty());
    let folder = folder.with_context(|| format!("open {}", shown(parent)))?;
    Ok((folder, CString::new(name.as_bytes())?))
}

/// The names of what lies in a folder.
fn names(folder: BorrowedFd) -> nix::Result<Vec<CString>> {
    let mut folder = Dir::from_fd(folder_below(folder, c".")?)?;
    let names = folder.iter().map(|entry| Ok(entry?.file_name().to_owned()));
    let mut names = names.collect::<nix::Result<Vec<_>>>()?;
    names.retain(|name| ![c".", c".."].contains(&name.as_c_str()));
    Ok(names)
}

fn folder_flags() -> OFlag {
    OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn folder_below(folder: BorrowedFd, name: &CStr) -> nix::Result<OwnedFd> {
    open_below(folder, name, OFlag::O_DIRECTORY)
}

fn new_file(folder: BorrowedFd, name: &str) -> nix::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = openat(folder, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
    Ok(File::from(file))
}

/// Opens what is called so in a folder: no link, and nothing that is mounted there.
fn open_below(folder: BorrowedFd, name: &CStr, flags: OFlag) -> nix::Result<OwnedFd> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let how = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV;
    openat2(folder, name, OpenHow::new().flags(flags).resolve(how))
}

/// Opens what `path` leads to for one who has the folder for `/`.
fn open_within(folder: BorrowedFd, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let how = ResolveFlag::RESOLVE_IN_ROOT
        | ResolveFlag::RESOLVE_NO_XDEV
        | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(how);
    let path = if path == Path::new("") {
        Path::new(".")
    } else {
        path
    };
    openat2(folder, path, how)
}

fn set_mode(folder: impl AsFd, name: &OsStr, mode: u32) -> nix::Result<()> {
    fchmodat(folder, name, bits(mode), FchmodatFlags::FollowSymlink)
}

fn bits(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode)
}

fn os(name: &CStr) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}

/// Whether a file is of this kind.
pub fn is(file: FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT == kind
}

/// A path as the user would type it.
pub fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    let short = path.strip_prefix(here).ok();
    let short = short.filter(|path| *path != Path::new(""));
    short.unwrap_or(path).display().to_string()
}
