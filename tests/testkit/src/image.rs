//! Images, as folders and as archives.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::Builder;

use crate::layer::Layer;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What images call this processor, and what they call another.
pub fn architectures() -> [&'static str; 2] {
    match ARCH {
        "aarch64" => ["arm64", "amd64"],
        _ => ["amd64", "arm64"],
    }
}

/// The digest that names these bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// An OCI image layout, which grows.
pub struct Layout(PathBuf);

impl Layout {
    /// Begins one in a new folder.
    pub fn at(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(folder.join("blobs/sha256")).context("make an image layout")?;
        let layout = Self(folder);
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(layout)
    }

    /// Where a file of it is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where the file with a digest is.
    pub fn blob_path(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        self.path(&format!("blobs/{}", digest.replace(':', "/")))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        fs::write(self.path(name), bytes).context("write a file of an image")
    }

    /// Adds a file by its digest, and returns what names it.
    pub fn add(&self, kind: &str, bytes: &[u8]) -> Result<Value> {
        let descriptor = json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()});
        fs::write(self.blob_path(&descriptor), bytes).context("write a file of an image")?;
        Ok(descriptor)
    }

    /// Adds JSON by its digest.
    pub fn add_json(&self, kind: &str, value: &Value) -> Result<Value> {
        self.add(kind, value.to_string().as_bytes())
    }

    /// Adds a layer, compressed, and returns what names it, and its digest as it was.
    pub fn add_layer(&self, layer: &[u8]) -> Result<(Value, String)> {
        let descriptor = self.add(&format!("{LAYER}+gzip"), &compress(layer)?)?;
        Ok((descriptor, digest(layer)))
    }

    /// Adds a manifest and a config for layers that are there, and returns what names it.
    pub fn add_manifest(&self, layers: &[(Value, String)], config: &Value) -> Result<Value> {
        let (descriptors, diff_ids): (Vec<_>, Vec<_>) = layers.iter().cloned().unzip();
        let config = self.add_json(CONFIG, &whole_config(&diff_ids, config))?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": descriptors,
        });
        self.add_json(MANIFEST, &manifest)
    }

    /// Writes the index, by which the image begins.
    pub fn write_index(&self, manifests: &[Value]) -> Result<()> {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        self.write("index.json", index.to_string().as_bytes())
    }

    /// Makes a whole image of layers.
    pub fn make(folder: PathBuf, layers: &[Vec<u8>], config: &Value) -> Result<Self> {
        let layout = Self::at(folder)?;
        let layers = layers.iter().map(|layer| layout.add_layer(layer));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let manifest = layout.add_manifest(&layers, config)?;
        layout.write_index(&[manifest])?;
        Ok(layout)
    }
}

fn whole_config(diff_ids: &[String], config: &Value) -> Value {
    json!({
        "architecture": architectures()[0], "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).context("compress a layer")?;
    encoder.finish().context("compress a layer")
}

/// Writes what `docker save` wrote for years: an archive with a `manifest.json`.
pub fn docker_save(archive: &Path, layers: &[Vec<u8>], config: &Value) -> Result<()> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let config = whole_config(&diff_ids, config).to_string();
    let name = |digest: &str, ending: &str| format!("{}{ending}", &digest["sha256:".len()..]);
    let names = diff_ids.iter().map(|digest| name(digest, "/layer.tar"));
    let names: Vec<String> = names.collect();
    let config_name = name(&digest(config.as_bytes()), ".json");
    let manifest = json!([{"Config": config_name, "RepoTags": ["test:latest"], "Layers": names}]);
    let mut files = Layer::new().file("manifest.json", &manifest.to_string())?;
    files = files.file(&config_name, &config)?;
    for (name, layer) in names.iter().zip(layers) {
        files = files.bytes_file(name, layer)?;
    }
    fs::write(archive, files.bytes()?).context("write an archive")
}

/// A layer with a shell and some programs, out of the root filesystem for tests.
pub fn base(rootfs: &Path) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    archive.follow_symlinks(false);
    for folder in [
        "etc",
        "lib",
        "lib64",
        "bin",
        "usr/lib",
        "usr/lib64",
        "root",
        "tmp",
    ] {
        let path = rootfs.join(folder);
        let added = match fs::symlink_metadata(&path) {
            Ok(it) if it.is_dir() => archive.append_dir_all(folder, &path),
            Ok(_) => archive.append_path_with_name(&path, folder),
            Err(_) => continue,
        };
        added.with_context(|| format!("add {folder} to a layer"))?;
    }
    for name in [
        "cat", "echo", "env", "false", "id", "ls", "pwd", "rm", "sh", "sleep", "stat", "true",
    ] {
        let name = format!("usr/bin/{name}");
        let mut file = File::open(rootfs.join(&name)).context("open a program")?;
        archive
            .append_file(&name, &mut file)
            .context("add a program to a layer")?;
    }
    archive.into_inner().context("end a layer")
}
