//! A layer, unpacked as overlayfs wants it.
//!
//! Read: tar(5), mknod(2), xattr(7).

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::sys::stat::{Mode, SFlag, mknod};
use tar::{Archive, Entry};

use crate::entry;

/// Unpacks a layer in our root directory, of which this is the whole content.
pub fn unpack(layer: impl Read) -> Result<()> {
    let mut archive = Archive::new(layer);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.set_unpack_xattrs(true);
    let what = "read a tar archive (is the layer one? If it is compressed: `gunzip`)";
    for entry in archive.entries().context(what)? {
        let mut entry = entry.context(what)?;
        let path = entry.path().context("read a name")?.into_owned();
        unpack_entry(&mut entry, &path).with_context(|| format!("unpack {}", path.display()))?;
    }
    Ok(())
}

fn unpack_entry(entry: &mut Entry<impl Read>, path: &Path) -> Result<()> {
    let place = entry::place(path)?;
    let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
        // The top itself. It stays as it is, closed to other users.
        return Ok(());
    };
    if let Some(name) = name.as_bytes().strip_prefix(b".wh.") {
        return white_out(folder, name);
    }
    if !entry::is_file(entry)? {
        return Ok(());
    }
    if entry.header().entry_type().is_dir() && place.is_symlink() {
        fs::remove_file(&place).context("delete a link of the same name")?;
    }
    ensure!(entry.unpack_in("/")?, "it has no place");
    Ok(())
}

/// Notes that lower layers' file of that name is deleted, or all that they have in the folder.
/// To overlayfs a device with the number 0 says the first, and an attribute the second.
fn white_out(folder: &Path, name: &[u8]) -> Result<()> {
    fs::create_dir_all(folder).context("make its folder")?;
    if name == b".wh..opq" {
        ensure!(
            folder.parent().is_some(),
            "the top cannot hide all that lies below it"
        );
        let attribute = "trusted.overlay.opaque";
        return xattr::set(folder, attribute, b"y").with_context(|| format!("set {attribute}"));
    }
    ensure!(
        !matches!(name, b"" | b"." | b".."),
        "it names no file to delete"
    );
    let what = "make a device of the number 0 (takes root, and no overlay to make it on)";
    let place = folder.join(OsStr::from_bytes(name));
    mknod(&place, SFlag::S_IFCHR, Mode::empty(), 0).context(what)
}
