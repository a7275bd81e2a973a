/// Gives a layer, which may have any name and lie anywhere, a number for a name, in the tmpfs
/// that lies on our root; and tells what its mount forbids.
fn mount_layer(layer: &File, number: usize) -> Result<MsFlags> {
    let place = format!("/../{number}");
    fs::create_dir(&place).context("make a folder for a layer")?;
    fchdir(layer).context("change directory to a layer")?;
    let none = None::<&str>;
    mount(Some("."), place.as_str(), none, MsFlags::MS_BIND, none).context("mount a layer")?;
    forbidden(".")
}
