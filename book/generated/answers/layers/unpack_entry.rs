fn unpack_entry(entry: &mut Entry<impl Read>, path: &Path) -> Result<()> {
    let place = place(path)?;
    let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
        // The top itself. It stays as it is, closed to other users.
        return Ok(());
    };
    if let Some(name) = name.as_bytes().strip_prefix(b".wh.") {
        return white_out(folder, name);
    }
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
        EntryType::Directory | EntryType::Symlink => {}
        EntryType::Link => {
            let target = entry
                .link_name()
                .context("read a link")?
                .unwrap_or_default();
            self::place(&target).context("link to a file of the layer")?;
        }
        // Words about the whole archive.
        EntryType::XGlobalHeader => return Ok(()),
        _ => bail!("it is a device or a pipe: only files, folders and links belong in a layer"),
    }
    if entry.header().entry_type().is_dir() && place.is_symlink() {
        fs::remove_file(&place).context("delete a link of the same name")?;
    }
    ensure!(entry.unpack_in("/")?, "it has no place");
    Ok(())
}
