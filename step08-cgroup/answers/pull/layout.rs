//! The folder that is filled.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use serde_json::json;
use sha2::{Digest, Sha256};

/// An OCI image layout, which is ours until this value is dropped.
pub struct Layout {
    folder: PathBuf,
    _lock: Flock<File>,
}

/// A file that is not whole yet.
pub struct Part {
    pub file: File,
    path: PathBuf,
}

impl Layout {
    pub fn open(folder: &Path) -> Result<Self> {
        let name = folder.display();
        fs::create_dir_all(folder.join("blobs/sha256")).with_context(|| format!("make {name}"))?;
        let file = File::open(folder).with_context(|| format!("open {name}"))?;
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            bail!("another pull is at work in {name}");
        };
        Ok(Self {
            folder: folder.into(),
            _lock: lock,
        })
    }

    /// Whether a part of the image is there, as its name says.
    pub fn has(&self, digest: &str, size: u64) -> Result<bool> {
        let path = self.path(digest)?;
        let is_there = path
            .metadata()
            .is_ok_and(|it| it.is_file() && it.len() == size);
        Ok(is_there && self::digest(&path)? == digest)
    }

    /// The part, as an earlier attempt has left it.
    pub fn part(&self, digest: &str) -> Result<Part> {
        let path = self.path(digest)?.with_extension("part");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        Ok(Part { file, path })
    }

    /// Writes the manifest, and then the index, with which the layout is an image.
    pub fn finish(&self, kind: &str, manifest: &[u8], reference: &str) -> Result<()> {
        let digest = format!("sha256:{:x}", Sha256::digest(manifest));
        self.write(&self.path(&digest)?, manifest)?;
        let version = json!({"imageLayoutVersion": "1.0.0"});
        self.write(
            &self.folder.join("oci-layout"),
            version.to_string().as_bytes(),
        )?;
        let descriptor = json!({
            "mediaType": kind, "digest": digest, "size": manifest.len(),
            "annotations": {"org.opencontainers.image.ref.name": reference},
        });
        let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
        self.write(
            &self.folder.join("index.json"),
            index.to_string().as_bytes(),
        )
    }

    /// Whoever reads the file finds the old one or the new one, and nothing half written.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let part = path.with_extension("part");
        fs::write(&part, bytes)
            .and_then(|()| fs::rename(&part, path))
            .with_context(|| format!("write {}", path.display()))
    }

    /// A registry says what a file is called here. It has to be a digest, and no path.
    fn path(&self, digest: &str) -> Result<PathBuf> {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let is_hex = hex.len() == 64 && hex.bytes().all(|it| it.is_ascii_hexdigit());
        ensure!(is_hex, "{digest} is no digest by SHA-256");
        Ok(self.folder.join("blobs/sha256").join(hex))
    }
}

impl Part {
    pub fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().context("look at a part")?.len())
    }

    /// Gives the part its name, if that is right.
    pub fn finish(mut self, digest: &str) -> Result<()> {
        self.file.flush()?;
        let seen = self::digest(&self.path)?;
        if seen != digest {
            fs::remove_file(&self.path).context("delete it")?;
            bail!("its digest is {seen}: it is damaged, or somebody has changed it. Try again");
        }
        fs::rename(&self.path, self.path.with_extension("")).context("give it its name")
    }
}

fn digest(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher).with_context(|| format!("read {}", path.display()))?;
    Ok(format!("sha256:{:x}", hasher.finalize()))
}
