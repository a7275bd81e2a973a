//! The list of mounts, as a process sees it: proc_pid_mountinfo(5).
//!
//! A path may hold any byte but NUL. The kernel writes a blank, a tab, a newline and a
//! backslash in it as `\040`, `\011`, `\012` and `\134`, and so fields are told apart first
//! and decoded afterwards.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::stat::{major, minor};

/// A line: `36 31 0:33 ROOT POINT OPTIONS TAG... - KIND SOURCE MORE`.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The file system, as `MAJOR:MINOR`.
    pub device: String,
    /// What of the file system is mounted.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// What is allowed there: `rw,nosuid,relatime`.
    pub options: String,
    /// How it passes mounts on: `shared:N`, `master:N`, `unbindable`, or nothing.
    pub tags: Vec<String>,
    /// The file system's type.
    pub kind: String,
    /// The file system's own options. In cgroups of version 1, they name the controllers.
    pub more: String,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').map(decode).skip(2);
        let mut text = || Some(fields.next()?.to_string_lossy().into_owned());
        let device = text()?;
        let (root, point) = (fields.next()?.into(), fields.next()?.into());
        let mut text = || Some(fields.next()?.to_string_lossy().into_owned());
        let options = text()?;
        let mut tags = Vec::new();
        loop {
            match text()? {
                end if end == "-" => break,
                tag => tags.push(tag),
            }
        }
        let kind = text()?;
        fields.next()?;
        Some(Self {
            device,
            root,
            point,
            options,
            tags,
            kind,
            more: fields.next()?.to_string_lossy().into_owned(),
        })
    }

    /// Whether this is the hierarchy of cgroups of version 1 that counts processes.
    pub fn has_first_pids(&self) -> bool {
        self.kind == "cgroup" && self.has("pids")
    }

    /// Whether one of the file system's own options is this one.
    pub fn has(&self, option: &str) -> bool {
        self.more.split(',').any(|known| known == option)
    }

    /// Whether it is what one finds at its place: another may have been mounted over it.
    pub fn is_seen(&self) -> bool {
        fs::metadata(&self.point).is_ok_and(|file| {
            let device = file.dev();
            self.device == format!("{}:{}", major(device), minor(device))
        })
    }

    /// Whether one of its options is this one.
    pub fn is(&self, option: &str) -> bool {
        self.options.split(',').any(|known| known == option)
    }
}

/// The mounts in a text such as /proc/self/mountinfo. Of those at one place, the last lies
/// on top.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(Mount::parse).collect()
}

/// Reads such a file.
///
/// # Errors
///
/// If it is not there, as without a /proc.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Mount>> {
    let path = path.as_ref();
    let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(parse(&text))
}

/// A field, where each `\` stands before the three octal digits of a byte.
fn decode(mut field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    while let Some((&first, rest)) = field.split_first() {
        let (byte, rest) = match rest {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] if first == b'\\' => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), rest)
            }
            _ => (first, rest),
        };
        bytes.push(byte);
        field = rest;
    }
    OsString::from_vec(bytes)
}
