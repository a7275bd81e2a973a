/// Where a path of a layer leads, if it leads there by folders alone. A link on the way could
/// lead anywhere.
pub fn place(path: &Path) -> Result<PathBuf> {
    let mut place = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                let is_link = place.is_symlink();
                ensure!(!is_link, "{} is a link, not a folder", place.display());
                place.push(name);
            }
            Component::RootDir | Component::CurDir => {}
            _ => bail!("`..` in a path may lead out of the layer"),
        }
    }
    Ok(place)
}
