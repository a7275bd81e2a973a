/// The container's cgroup in the hierarchy of this controller. In version 2, and where
/// version 1 mounts several controllers together, it may be there already.
pub fn with_controller(&mut self, controller: &str) -> Result<PathBuf> {
    let parent = hierarchy::find_parent(controller)?;
    let path = parent.join(&self.name);
    if !self.paths.contains(&path) {
        // On this file system a directory is a cgroup, and mkdir(2) makes one.
        fs::create_dir(&path).map_err(|error| hierarchy::refused(&parent, &error))?;
        self.paths.push(path.clone());
    }
    // Version 1 has no such file: there, the hierarchy is the controller's.
    let offered = parent.join("cgroup.controllers");
    if offered.exists()
        && !read(&offered)?
            .split_whitespace()
            .any(|name| name == controller)
    {
        bail!("{} has no {controller} controller", parent.display());
    }
    hierarchy::enable(controller, &parent)?;
    Ok(path)
}
