//! Where a root filesystem is made, how it gets there, and what a killed process has left.
//!
//! One grows in a folder `DIR.part-…` beside DIR, and is moved to DIR when it is whole. What
//! was at DIR is moved to `DIR.old-…` for the moment between the two renames, and is deleted
//! under the first name. Such a folder has [`LEFTOVER`] in it instead of [`MARK`], so that no
//! copy of a user's is ever taken for one; and the process that works on it holds a lock.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::FlockArg;
use nix::sys::stat::SFlag;

use crate::tree::{self, Holder, Tree, shown};

/// Only a folder with this file in it is ever changed.
const MARK: &str = ".made-by-rootfs";

/// What it is called in a folder that is not whole yet, or not wanted any more.
const LEFTOVER: &str = ".left-by-rootfs";

const MARK_TEXT: &[u8] = b"Made by `cargo run --bin rootfs`, which may also delete this folder.\n";

/// An absolute path without links, where there may be a folder.
pub struct Place {
    path: PathBuf,
}

/// What is at a place.
pub enum State {
    /// Nothing, or an empty folder.
    Free,
    Ours,
    Foreign,
}

/// Whether this program has made the folder at `path`.
pub fn is_ours(path: &Path) -> bool {
    Tree::open(path).is_ok_and(|tree| is_marked(&tree))
}

fn is_marked(tree: &Tree) -> bool {
    has(tree, MARK) || has(tree, LEFTOVER)
}

fn has(tree: &Tree, name: &str) -> bool {
    tree.find(name)
        .is_some_and(|file| tree::is(file, SFlag::S_IFREG))
}

impl Place {
    pub fn find(dir: &Path) -> Result<Self> {
        let name = dir.display();
        match dir.canonicalize() {
            Ok(path) => {
                ensure!(path.is_dir(), "{name} is a file, and no folder");
                return Ok(Self { path });
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("look at {name}"));
            }
            Err(_) if dir.symlink_metadata().is_ok() => {
                bail!("{name} is a link to what is not there: remove it, or make that")
            }
            Err(_) => {}
        }
        let last = dir
            .file_name()
            .with_context(|| format!("find the name of {name}"))?;
        let parent = dir.parent().filter(|parent| *parent != Path::new(""));
        let parent = parent.unwrap_or(Path::new("."));
        let folder = parent.canonicalize();
        let folder = folder.with_context(|| format!("find the folder {}", parent.display()))?;
        Ok(Self {
            path: folder.join(last),
        })
    }

    pub fn state(&self) -> Result<State> {
        if self.path.symlink_metadata().is_err() {
            return Ok(State::Free);
        }
        let tree = Tree::open(&self.path)?;
        Ok(match is_marked(&tree) {
            true => State::Ours,
            false if tree.is_empty()? => State::Free,
            false => State::Foreign,
        })
    }

    /// Opens the root filesystem there, to change it.
    pub fn open(&self) -> Result<Tree> {
        let mut tree = Tree::open(&self.path)?;
        expect_no_other(tree.lock(FlockArg::LockSharedNonblock)?, &self.path)?;
        Ok(tree)
    }

    /// What is at the place, opened and locked, where it may be deleted for a new one. Fails
    /// unless a new one may be put there.
    pub fn make_room(&self) -> Result<Option<Tree>> {
        if self.path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let name = shown(&self.path);
        // This shell would be left in a folder that is gone.
        let is_within = env::current_dir().is_ok_and(|here| here.starts_with(&self.path));
        ensure!(
            !is_within,
            "you are in {name}: change to another folder first"
        );
        let state = self.state()?;
        ensure!(
            !matches!(state, State::Foreign),
            "{name} is there, but this program did not make it, and so leaves it alone"
        );
        tree::expect_deletable(&self.path)?;
        let mut old = Tree::open(&self.path)?;
        expect_no_other(old.lock(FlockArg::LockExclusiveNonblock)?, &self.path)?;
        Ok(matches!(state, State::Ours).then_some(old))
    }

    /// A folder beside it, for one that grows.
    pub fn begin(&self) -> Result<Tree> {
        let mut part = Tree::make(Path::new(&self.beside("part")))?;
        part.set_mode(0o755)?;
        // First of all: a process that is killed leaves what the next one knows.
        match part.mark(LEFTOVER, MARK_TEXT) {
            Ok(()) => Ok(part),
            Err(error) => Err(self.discard(&mut part, error)),
        }
    }

    /// Moves what has grown to its place, if it is whole, and else deletes it. What was there
    /// is deleted, if `old` says that there is something.
    pub fn end(&self, part: &mut Tree, old: Option<Tree>, made: Result<()>) -> Result<()> {
        let moved = made.and_then(|()| match &old {
            Some(old) => self.exchange(part, old),
            // rename(2) puts a folder over an empty one, and over no other.
            None => fs::rename(part.path(), &self.path).with_context(|| {
                let name = shown(&self.path);
                format!("move the new files to {name} (has another process just made it?)")
            }),
        });
        if let Err(error) = moved {
            return Err(self.discard(part, error));
        }
        part.rename(LEFTOVER, MARK)?;
        match old {
            Some(_) => tree::delete(part.path(), LEFTOVER),
            None => Ok(()),
        }
    }

    /// Adds to an error that of deleting what it has left, if there is one.
    fn discard(&self, part: &mut Tree, error: anyhow::Error) -> anyhow::Error {
        part.clear().ok();
        match tree::delete(part.path(), LEFTOVER) {
            Ok(()) => error,
            Err(left) => error.context(format!("{left:#}")),
        }
    }

    /// Moves what is there to where `part` is, and `part` there.
    fn exchange(&self, part: &Tree, old: &Tree) -> Result<()> {
        // Once more, for something may have come meanwhile.
        tree::expect_deletable(&self.path)?;
        let name = shown(&self.path);
        let number = end_of(part.path(), &self.beside("part"));
        let mut aside = self.beside("old");
        aside.push(number.context("find the number of what has grown")?);
        let aside = Path::new(&aside);
        // From here on, a process that is killed leaves what the next one finds.
        old.rename(MARK, LEFTOVER)?;
        let moved = fs::rename(&self.path, aside)
            .with_context(|| format!("move {name} away"))
            .and_then(|()| {
                let moved = fs::rename(part.path(), &self.path);
                if moved.is_err() {
                    fs::rename(aside, &self.path).with_context(|| format!("move {name} back"))?;
                }
                moved.with_context(|| format!("move the new files to {name}"))
            });
        if moved.is_err() {
            old.rename(LEFTOVER, MARK)?;
            return moved;
        }
        fs::rename(aside, part.path()).context("move away what was there")
    }

    /// Clears up after a process that was killed.
    pub fn clear(&self) -> Result<()> {
        for (path, is_whole) in self.leftovers() {
            let Ok(mut left) = Tree::open(&path) else {
                continue;
            };
            let is_empty = left.is_empty().unwrap_or(false);
            if !(is_empty || has(&left, LEFTOVER))
                || left.lock(FlockArg::LockExclusiveNonblock)? != Holder::We
            {
                continue;
            }
            if is_whole && self.path.symlink_metadata().is_err() {
                fs::rename(&path, &self.path)
                    .with_context(|| format!("move {} back", shown(&path)))?;
            } else if tree::expect_deletable(&path).is_ok() {
                tree::delete(&path, LEFTOVER)?;
            }
        }
        let Ok(mut tree) = Tree::open(&self.path) else {
            return Ok(());
        };
        if has(&tree, LEFTOVER) && tree.lock(FlockArg::LockExclusiveNonblock)? == Holder::We {
            tree.rename(LEFTOVER, MARK).ok();
        }
        Ok(())
    }

    /// The folders beside it with the names of ours, and whether they are whole.
    fn leftovers(&self) -> Vec<(PathBuf, bool)> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let (part, old) = (self.beside("part"), self.beside("old"));
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let found = entries.filter_map(|entry| {
            let path = entry.path();
            let is_whole = end_of(&path, &old).is_some();
            (is_whole || end_of(&path, &part).is_some()).then_some((path, is_whole))
        });
        found.collect()
    }

    /// What the path of a folder beside it begins with.
    fn beside(&self, what: &str) -> OsString {
        let mut start = self.path.as_os_str().to_owned();
        start.push(format!(".{what}-"));
        start
    }
}

fn expect_no_other(holder: Holder, path: &Path) -> Result<()> {
    let name = shown(path);
    ensure!(
        holder != Holder::Another,
        "another process works on {name}, and has locked it"
    );
    Ok(())
}

/// What follows in a path that begins so.
fn end_of<'a>(path: &'a Path, start: &OsStr) -> Option<&'a OsStr> {
    let end = path.as_os_str().as_bytes().strip_prefix(start.as_bytes())?;
    Some(OsStr::from_bytes(end))
}
