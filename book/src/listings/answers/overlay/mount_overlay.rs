/// Covers the image with an overlay of itself: the image is read, and what is written goes
/// to a folder above it.
///
/// Here that folder is in memory. Real runtimes keep it on disk until the container is
/// removed, and have a folder below for each layer of the image.
fn mount_overlay(root: &Path) -> Result<()> {
    let image = File::open(root).with_context(|| {
        let root = root.display();
        format!("open {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    // The one folder that is there for sure, on the host too. From now on its path leads to
    // the tmpfs, and the descriptor to the image beneath.
    mount_over(root, "tmpfs", "mode=700")?;
    let memory = File::open(root).context("open the tmpfs")?;
    let (image_path, memory) = (path_of(&image), path_of(&memory));
    let (upper, work) = (format!("{memory}/upper"), format!("{memory}/work"));
    for folder in [&upper, &work] {
        fs::create_dir(folder).with_context(|| format!("make the folder {folder}"))?;
    }
    // The topmost folder of the overlay is the upper one: with these rights.
    let rights = image.metadata().context("look at the image")?.permissions();
    fs::set_permissions(&upper, rights).context("set the rights of the upper folder")?;
    let options = format!("lowerdir={image_path},upperdir={upper},workdir={work}");
    mount_over(root, "overlay", &options)
}
