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
