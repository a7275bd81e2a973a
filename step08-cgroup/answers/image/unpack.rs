//! A layer, unpacked above those below it.
//!
//! Read: tar(5), and `layer.md` of the OCI image specification.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tar::{Archive, Entry};

use crate::entry;
use crate::layout::{Layer, expect_digest};

/// Unpacks a layer in our root directory.
pub fn unpack(layer: &Layer) -> Result<()> {
    let mut reader = Hashing {
        reader: decompress(BufReader::new(layer.blob.reader()?))?,
        hasher: Sha256::new(),
    };
    let mut archive = Archive::new(&mut reader);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.set_unpack_xattrs(true);
    // What comes from this layer, and is not deleted by its own whiteouts.
    let mut new = HashSet::new();
    for entry in archive.entries().context("read a layer")? {
        let mut entry = entry.context("read a layer")?;
        let path = entry.path().context("read a name")?.into_owned();
        unpack_entry(&mut entry, &path, &mut new)
            .with_context(|| format!("unpack {}", path.display()))?;
    }
    // What follows the archive's end belongs to the digest, too.
    io::copy(&mut reader, &mut io::sink()).context("read the end of a layer")?;
    expect_digest(reader.hasher, &layer.diff_id).context("check a layer")
}

/// Whether it is compressed, and how, its first bytes tell.
fn decompress<'a>(mut reader: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>> {
    let start = reader.fill_buf().context("read a layer")?;
    let name = match start {
        [0x1f, 0x8b, ..] => return Ok(Box::new(MultiGzDecoder::new(reader))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        _ => return Ok(Box::new(reader)),
    };
    bail!(
        "a layer is compressed with {name}, and this program knows gzip alone. Copy the image: \
         `skopeo copy --dest-compress-format gzip oci:FROM oci:TO`"
    );
}

fn unpack_entry(
    entry: &mut Entry<impl Read>,
    path: &Path,
    new: &mut HashSet<PathBuf>,
) -> Result<()> {
    let place = entry::place(path)?;
    let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
        // The top itself.
        return Ok(());
    };
    match name.as_bytes().strip_prefix(b".wh.") {
        Some(b".wh..opq") => return delete_below(folder, new),
        Some(b"" | b"." | b"..") => bail!("it names no file to delete"),
        Some(name) => return delete(&folder.join(OsStr::from_bytes(name)), new),
        None => {}
    }
    if !entry::is_file(entry)? {
        return Ok(());
    }
    // A folder stays, and gets more files; anything else is another thing now.
    if !(entry.header().entry_type().is_dir()
        && fs::symlink_metadata(&place).is_ok_and(|it| it.is_dir()))
    {
        remove(&place)?;
    }
    ensure!(entry.unpack_in("/")?, "it has no place");
    new.extend(place.ancestors().map(PathBuf::from));
    Ok(())
}

/// Deletes what lower layers have there.
fn delete(path: &Path, new: &HashSet<PathBuf>) -> Result<()> {
    match new.contains(path) {
        true => delete_below(path, new),
        false => remove(path),
    }
}

/// Deletes what lower layers have in a folder.
fn delete_below(folder: &Path, new: &HashSet<PathBuf>) -> Result<()> {
    if !fs::symlink_metadata(folder).is_ok_and(|it| it.is_dir()) {
        return Ok(());
    }
    for entry in fs::read_dir(folder).context("list a folder")? {
        delete(&entry.context("list a folder")?.path(), new)?;
    }
    Ok(())
}

/// Removes a file, or a folder with all that is in it, if it is there.
fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(it) if it.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
    match removed {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            Ok(())
        }
        result => result.with_context(|| format!("delete {}", path.display())),
    }
}

/// Reads, and hashes what it has read.
struct Hashing<R> {
    reader: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
