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
