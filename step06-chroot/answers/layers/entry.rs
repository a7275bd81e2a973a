//! What an entry of a layer may be. A layer may come from anybody.
//!
//! Read: tar(5).

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tar::{Entry, EntryType};

/// Whether the entry is about a file. Fails if it is of a kind that does harm.
pub fn is_file(entry: &Entry<impl Read>) -> Result<bool> {
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Ok(true),
        EntryType::Directory | EntryType::Symlink => Ok(true),
        EntryType::Link => {
            let target = entry
                .link_name()
                .context("read a link")?
                .unwrap_or_default();
            place(&target).context("link to a file of the layer")?;
            Ok(true)
        }
        // Words about the whole archive.
        EntryType::XGlobalHeader => Ok(false),
        _ => bail!("it is a device or a pipe: only files, folders and links belong in a layer"),
    }
}

/// Where a path of a layer leads, if it leads there by folders alone. A link on the way could
/// lead anywhere.
pub fn place(path: &Path) -> Result<PathBuf> {
    let mut place = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                let is_link = place.is_symlink();
                ensure!(!is_link, "{} is a link, not a folder", place.display());
                place.push(name);
            }
            Component::RootDir | Component::CurDir => {}
            _ => bail!("`..` in a path may lead out of the layer"),
        }
    }
    Ok(place)
}
