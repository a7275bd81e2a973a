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
