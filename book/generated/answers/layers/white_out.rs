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
