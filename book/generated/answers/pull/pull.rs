/// Fetches an image into a layout. Its index, by which it begins, is written last.
fn pull(name: &Name, folder: &Path) -> Result<()> {
    let mut registry = Registry::new(name)?;
    let layout = Layout::open(folder)?;
    let (mut kind, mut bytes) = registry.manifest(&name.reference)?;
    let mut manifest = parse(&bytes)?;
    if !manifest["manifests"].is_null() {
        // One for each kind of processor.
        let digest = choose(&manifest)?;
        (kind, bytes) = registry.manifest(&digest)?;
        manifest = parse(&bytes)?;
    }
    let layers = manifest["layers"].as_array();
    let layers = layers.context("its manifest names no layers: is it older than 2016?")?;
    for descriptor in [&manifest["config"]].into_iter().chain(layers) {
        let (digest, size) = (&descriptor["digest"], &descriptor["size"]);
        let digest = digest.as_str().context("a part has no digest")?;
        let size = size.as_u64().context("a part has no size")?;
        fetch(&mut registry, &layout, digest, size).with_context(|| format!("fetch {digest}"))?;
    }
    layout.finish(&kind, &bytes, &name.reference)?;
    print(&format!("{} is {name}", folder.display()))
}
