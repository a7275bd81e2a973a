//! What /proc says of a process: proc(5), and for each file a page such as
//! proc_pid_status(5).
//!
//! A process is named by its number, or as `self` or `thread-self`. Every function fails if it
//! has ended, if it is somebody else's, or if there is no /proc, and says what it has read.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file or a folder about a process.
pub fn path(pid: impl Display, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// All processes that /proc shows: none if there is no /proc.
pub fn all() -> impl Iterator<Item = i32> {
    numbers(Path::new("/proc"))
}

/// What in a folder is called by a number: in a /proc the processes, in a `fd` the
/// descriptors. Nothing if the folder cannot be read.
pub fn numbers(folder: &Path) -> impl Iterator<Item = i32> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A file, as it is.
pub fn read(pid: impl Display, name: &str) -> Result<Vec<u8>> {
    let path = path(pid, name);
    fs::read(&path).with_context(|| format!("read {}", path.display()))
}

/// A file as text. A byte that is no part of any is replaced: a process may be called so.
pub fn text(pid: impl Display, name: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&read(pid, name)?).into_owned())
}

/// A line of its `status`, without the key: proc_pid_status(5).
pub fn status(pid: impl Display, key: &str) -> Result<String> {
    let status = text(&pid, "status")?;
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let line = lines.find(|(found, _)| *found == key);
    let (_, value) = line.with_context(|| format!("find {key} in /proc/{pid}/status"))?;
    Ok(value.trim().to_owned())
}

/// The process that has started it, or that has adopted it: 0 if that is in another PID
/// namespace.
pub fn parent(pid: impl Display) -> Result<i32> {
    let parent = status(&pid, "PPid")?.parse();
    parent.with_context(|| format!("find the parent of process {pid}"))
}

/// Its numbers in all the PID namespaces that it is in, the innermost last.
pub fn pids(pid: impl Display) -> Result<Vec<i32>> {
    list(&status(&pid, "NSpid")?).with_context(|| format!("read NSpid of process {pid}"))
}

/// What it does now: `R` for running, `S` sleeping, `D` in disk sleep, `Z` a zombie …
pub fn state(pid: impl Display) -> Result<char> {
    let state = status(&pid, "State")?.chars().next();
    state.with_context(|| format!("find the state of process {pid}"))
}

/// Whether it has ended, and its parent has not asked for its status.
pub fn is_zombie(pid: impl Display) -> bool {
    state(pid).is_ok_and(|state| state == 'Z')
}

/// The words of its command line: proc_pid_cmdline(5). A process of the kernel's, and one
/// that has ended, has none.
pub fn argv(pid: impl Display) -> Vec<OsString> {
    words(&read(pid, "cmdline").unwrap_or_default())
}

/// The environment that it was started with, as `NAME=VALUE`: proc_pid_environ(5).
pub fn environment(pid: impl Display) -> Result<Vec<OsString>> {
    Ok(words(&read(pid, "environ")?))
}

/// Each of them ends with a NUL, and may be empty.
fn words(text: &[u8]) -> Vec<OsString> {
    let words = text.split_inclusive(|byte| *byte == 0);
    let words = words.map(|word| word.strip_suffix(b"\0").unwrap_or(word).to_vec());
    words.map(OsString::from_vec).collect()
}

/// Its children, if the kernel tells them (CONFIG_PROC_CHILDREN).
pub fn children(pid: impl Display) -> Result<Vec<i32>> {
    let children = text(&pid, &format!("task/{pid}/children"))?;
    list(&children).with_context(|| format!("read the children of process {pid}"))
}

fn list(numbers: &str) -> Result<Vec<i32>> {
    let numbers = numbers.split_whitespace();
    numbers.map(|number| Ok(number.parse()?)).collect()
}

/// What names its namespace of a kind: `uts:[4026531838]`.
pub fn namespace(pid: impl Display, kind: &str) -> Result<String> {
    let link = fs::read_link(path(pid, &format!("ns/{kind}")));
    let link = link.with_context(|| format!("read the name of the {kind} namespace"))?;
    Ok(link.to_string_lossy().into_owned())
}

/// A line of a `uid_map` or `gid_map`: so many numbers that follow each other, as they are
/// inside of the user namespace, and as the reader's counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// The map of its user namespace, of which `name` is `uid_map` or `gid_map`:
/// user_namespaces(7).
pub fn map(pid: impl Display, name: &str) -> Result<Vec<Mapped>> {
    let lines = text(pid, name)?;
    let lines = lines.lines().map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut number = || {
            numbers
                .next()
                .context("too few numbers")?
                .context(name.to_owned())
        };
        Ok(Mapped {
            inside: number()?,
            outside: number()?,
            count: number()?,
        })
    });
    lines.collect()
}

/// The line about a process in its `stat`.
pub struct Stat {
    name: String,
    /// From the third on: what stands before them may hold blanks and brackets.
    fields: Vec<String>,
}

/// Reads that line.
pub fn stat(pid: impl Display) -> Result<Stat> {
    let stat = text(&pid, "stat")?;
    let parts = stat
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'));
    let (name, fields) = parts.with_context(|| format!("find a name in /proc/{pid}/stat"))?;
    Ok(Stat {
        name: name.to_owned(),
        fields: fields.split_whitespace().map(str::to_owned).collect(),
    })
}

impl Stat {
    /// What the program is called, in at most 15 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A field by its number in proc_pid_stat(5), from 3 on. Empty if this kernel has none.
    pub fn field(&self, number: usize) -> &str {
        let index = number.checked_sub(3);
        index
            .and_then(|index| self.fields.get(index))
            .map_or("", String::as_str)
    }
}
