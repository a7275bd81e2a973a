//! Where an image's files are, what they say, and that they are what their names say.
//!
//! An image is a list of layers and a config. A *manifest* names them, and an *index* names
//! manifests, one for each kind of processor. Each names the next by a digest: if you trust the
//! first, nobody can have changed any other.

use std::collections::HashMap;
use std::env::consts::ARCH;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::Archive;

use crate::config::Config;

/// In bytes: no registry takes longer manifests.
const LONGEST_JSON: u64 = 4 << 20;

/// An image whose index, manifest and config have been read.
pub struct Image {
    pub config: Config,
    /// The lowest comes first.
    pub layers: Vec<Layer>,
}

/// A layer, and the digest that its archive has once it is not compressed any more.
pub struct Layer {
    pub blob: Blob,
    pub diff_id: String,
}

impl Image {
    /// Finds the image for this processor, if there are several.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || {
            let files = Files::open(path)?;
            match files.find("index.json") {
                Ok(index) => Self::from_index(&files, &index.json()?),
                Err(_) => Self::from_docker(&files),
            }
        };
        open().with_context(|| format!("open the image {}", path.display()))
    }

    fn from_index(files: &Files, index: &Value) -> Result<Self> {
        let arch = architecture();
        let fits = |descriptor: &&Value| match &descriptor["platform"] {
            Value::Null => true,
            platform => platform["architecture"] == *arch && platform["os"] == "linux",
        };
        let chosen = items(&index["manifests"])?.iter().find(fits);
        let chosen = chosen.with_context(|| format!("it has none for linux on {arch}"))?;
        let manifest = files.blob(chosen)?.json()?;
        if !manifest["manifests"].is_null() {
            return Self::from_index(files, &manifest);
        }
        let config = files.blob(&manifest["config"])?.json()?;
        let blobs = items(&manifest["layers"])?.iter();
        let blobs = blobs.map(|descriptor| files.blob(descriptor));
        Self::new(&config, blobs.collect::<Result<_>>()?)
    }

    /// What `docker save` wrote before version 25. There a config is called as its digest is.
    fn from_docker(files: &Files) -> Result<Self> {
        let manifest = files.find("manifest.json");
        let manifest = manifest.context("it has no index.json, and no manifest.json")?;
        let manifest = &manifest.json()?[0];
        let name = text(&manifest["Config"])?;
        let config = files.find(name)?;
        config.expect_digest(&format!("sha256:{}", name.trim_end_matches(".json")))?;
        let blobs = items(&manifest["Layers"])?.iter();
        let blobs = blobs.map(|name| files.find(text(name)?));
        Self::new(&config.json()?, blobs.collect::<Result<_>>()?)
    }

    fn new(config: &Value, blobs: Vec<Blob>) -> Result<Self> {
        let diff_ids = items(&config["rootfs"]["diff_ids"])?;
        let (found, named) = (blobs.len(), diff_ids.len());
        ensure!(
            found == named,
            "it has {found} layers, and the config says {named}"
        );
        let layers = blobs.into_iter().zip(diff_ids).map(|(blob, diff_id)| {
            let diff_id = text(diff_id)?.to_owned();
            Ok(Layer { blob, diff_id })
        });
        Ok(Self {
            config: Config::new(&config["config"])?,
            layers: layers.collect::<Result<_>>()?,
        })
    }
}

/// What Go calls this processor, and so images do.
fn architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The files of an image, in a folder or in an archive.
struct Files {
    place: PathBuf,
    /// In an archive: where each begins, and how long it is.
    entries: Option<HashMap<PathBuf, (u64, u64)>>,
}

impl Files {
    fn open(place: &Path) -> Result<Self> {
        let entries = match place.metadata()?.is_dir() {
            true => None,
            false => Some(read_archive(place).context("read it as an archive")?),
        };
        Ok(Self {
            place: place.into(),
            entries,
        })
    }

    /// The file of this name.
    fn find(&self, name: &str) -> Result<Blob> {
        let mut parts = Path::new(name).components();
        let is_inside = parts.all(|part| matches!(part, Component::Normal(_)));
        ensure!(is_inside, "{name} leads out of the image");
        let (path, range) = match &self.entries {
            None => (self.place.join(name), None),
            Some(entries) => {
                let range = entries.get(Path::new(name));
                let range = range.with_context(|| format!("there is no {name} in it"))?;
                (self.place.clone(), Some(*range))
            }
        };
        let what = || format!("open {name}");
        let metadata = path.metadata().with_context(what)?;
        // To open a pipe would be to wait for somebody who writes to it.
        ensure!(metadata.is_file(), "{name} is no file");
        Ok(Blob {
            name: name.into(),
            file: File::open(path).with_context(what)?,
            range: range.unwrap_or((0, metadata.len())),
        })
    }

    /// The file that a descriptor names by its digest, which it has.
    fn blob(&self, descriptor: &Value) -> Result<Blob> {
        let digest = text(&descriptor["digest"])?;
        let hex = digest.strip_prefix("sha256:");
        let hex = hex.with_context(|| format!("{digest} is no digest by SHA-256"))?;
        let blob = self.find(&format!("blobs/sha256/{hex}"));
        let blob = blob.context("a part of it is missing: get the image again")?;
        blob.expect_digest(digest)?;
        Ok(blob)
    }
}

/// Where in an archive its files are.
fn read_archive(path: &Path) -> Result<HashMap<PathBuf, (u64, u64)>> {
    ensure!(path.is_file(), "it is neither a folder nor a file");
    let mut archive = Archive::new(File::open(path)?);
    let entries = archive.entries()?.map(|entry| {
        let entry = entry?;
        let path = entry.path()?.components().collect();
        Ok((path, (entry.raw_file_position(), entry.size())))
    });
    entries.collect()
}

/// A file of an image, or a part of one.
pub struct Blob {
    name: String,
    file: File,
    range: (u64, u64),
}

impl Blob {
    /// Begins to read it.
    pub fn reader(&self) -> Result<impl Read> {
        let mut file = &self.file;
        let (start, length) = self.range;
        file.seek(SeekFrom::Start(start))
            .context("find the start")?;
        Ok(file.take(length))
    }

    fn json(&self) -> Result<Value> {
        let name = &self.name;
        ensure!(self.range.1 <= LONGEST_JSON, "{name} is too long");
        serde_json::from_reader(io::BufReader::new(self.reader()?))
            .with_context(|| format!("read {name} as JSON"))
    }

    fn expect_digest(&self, digest: &str) -> Result<()> {
        let mut hasher = Sha256::new();
        let read = io::copy(&mut self.reader()?, &mut hasher);
        read.with_context(|| format!("read {}", self.name))?;
        expect_digest(hasher, digest).with_context(|| format!("check {}", self.name))
    }
}

/// Fails unless what was read has this digest.
pub fn expect_digest(hasher: Sha256, digest: &str) -> Result<()> {
    let seen = format!("sha256:{:x}", hasher.finalize());
    if seen != digest {
        bail!(
            "its digest is {seen}, not {digest}: it is damaged, or somebody has changed it. \
             Get the image again"
        );
    }
    Ok(())
}

fn items(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("expected a list in its JSON")
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("expected a text in its JSON")
}
