/// Where a volume goes, without links: that path leads there also once it is mounted.
fn place_of(volume: &Volume) -> Result<PathBuf> {
    let place = fs::canonicalize(&volume.container)
        .with_context(|| format!("find {} in the container", volume.container.display()))?;
    // What is mounted on our root lies above us, unseen.
    if place == Path::new("/") || place.starts_with("/proc") {
        let place = place.display();
        bail!("mount a volume on {place}: it goes below /, and not into /proc");
    }
    Ok(place)
}
