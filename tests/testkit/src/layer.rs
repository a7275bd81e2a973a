//! Layers of images: tar archives, good ones and such as only somebody makes who means harm.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

/// A layer. Its entries stand in the order in which they are added.
pub struct Layer(Builder<Vec<u8>>);

impl Layer {
    /// An empty one.
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Adds a file with this text.
    pub fn file(self, path: &str, text: &str) -> Result<Self> {
        self.bytes_file(path, text.as_bytes())
    }

    /// Adds a file with these bytes.
    pub fn bytes_file(self, path: &str, bytes: &[u8]) -> Result<Self> {
        self.entry(EntryType::Regular, path, "", bytes)
    }

    /// Adds a file that hides one of a lower layer, or with `.wh..opq` a folder's content.
    pub fn without(self, folder: &str, name: &str) -> Result<Self> {
        self.file(&format!("{folder}.wh.{name}"), "")
    }

    /// Adds a folder.
    pub fn folder(self, path: &str) -> Result<Self> {
        self.entry(EntryType::Directory, path, "", b"")
    }

    /// Adds a link, by a path that need lead nowhere.
    pub fn link(self, path: &str, target: &str) -> Result<Self> {
        self.entry(EntryType::Symlink, path, target, b"")
    }

    /// Adds a second name for a file.
    pub fn second_name(self, path: &str, target: &str) -> Result<Self> {
        self.entry(EntryType::Link, path, target, b"")
    }

    /// Adds an entry as it is given: the library would refuse names that lead outside.
    pub fn entry(
        mut self,
        kind: EntryType,
        path: &str,
        target: &str,
        bytes: &[u8],
    ) -> Result<Self> {
        let mut header = Header::new_gnu();
        let fields = header.as_old_mut();
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(if kind.is_file() { 0o644 } else { 0o755 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        // The numbers of /dev/null.
        header.set_device_major(1).context("set a number")?;
        header.set_device_minor(3).context("set a number")?;
        header.set_cksum();
        let added = self.0.append(&header, bytes);
        added.context("add to a layer")?;
        Ok(self)
    }

    /// The archive.
    pub fn bytes(self) -> Result<Vec<u8>> {
        self.0.into_inner().context("end a layer")
    }

    /// Writes the archive to a file, and returns its path.
    pub fn write(self, folder: &Path, name: &str) -> Result<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, self.bytes()?).context("write a layer")?;
        Ok(path)
    }
}

/// Layers that reach out of their folder, each with what a refusal has to name. What they want
/// to write to is `reached`, beside the folder that they are unpacked in or one above.
pub fn hostile() -> Result<Vec<(&'static str, Layer)>> {
    let new = Layer::new;
    Ok(vec![
        ("../reached", new().file("../reached", "here")?),
        ("a/../../reached", new().file("a/../../reached", "here")?),
        (
            "out/reached",
            new().link("out", "..")?.file("out/reached", "here")?,
        ),
        (
            "out/reached",
            new().link("out", "../..")?.file("out/reached", "here")?,
        ),
        (
            "two/reached",
            new()
                .link("one", "..")?
                .link("two", "one")?
                .file("two/reached", "here")?,
        ),
        (
            "out/tmp/reached",
            new().link("out", "/")?.file("out/tmp/reached", "here")?,
        ),
        (
            "out/reached",
            new().link("out", "..")?.folder("out/reached")?,
        ),
        (
            "out/reached",
            new().link("out", "..")?.link("out/reached", "x")?,
        ),
        (
            "passwd",
            new().second_name("passwd", "../../../../../etc/passwd")?,
        ),
        (
            "second",
            new()
                .link("out", "..")?
                .second_name("second", "out/victim")?,
        ),
        (".wh.victim", new().without("../", "victim")?),
        (
            "out/.wh.victim",
            new().link("out", "..")?.without("out/", "victim")?,
        ),
        (".wh...", new().without("", "..")?),
        (".wh..", new().without("", ".")?),
        ("device", new().entry(EntryType::Char, "device", "", b"")?),
        ("device", new().entry(EntryType::Block, "device", "", b"")?),
    ])
}
