/// Mounts all of them, and closes the folders: as long as one is open, /proc/1/fd has a way
/// out of the root filesystem.
pub fn mount_volumes(volumes: &[Volume], folders: Vec<OwnedFd>) -> Result<()> {
    let mut places: Vec<PathBuf> = Vec::new();
    for (volume, folder) in volumes.iter().zip(folders) {
        let place = place_of(volume)?;
        if places.iter().any(|earlier| earlier.starts_with(&place)) {
            bail!(
                "the volume on {} would cover one that is mounted before",
                place.display()
            );
        }
        mount_volume(volume, &folder, &place)?;
        places.push(place);
    }
    Ok(())
}
