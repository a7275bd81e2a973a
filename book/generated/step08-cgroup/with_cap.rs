/// Makes a cgroup in which at most `max` processes can exist at a time.
///
/// Only fork(2) asks for the cap, so it has to be there before anyone joins.
pub fn with_cap(max: u32) -> Result<Self> {
    let parent = hierarchy::find_parent("pids")?;
    // The PID tells whose it is; the time makes it new, since PIDs come round again.
    let nanoseconds = UNIX_EPOCH.elapsed().context("read the clock")?.as_nanos();
    let path = parent.join(format!("container-{}-{nanoseconds}", process::id()));
    // On this file system a directory is a cgroup, and mkdir(2) makes one.
    fs::create_dir(&path).map_err(|error| hierarchy::refused(&parent, &error))?;
    let cgroup = Self { path };
    hierarchy::enable("pids", &parent)?;
    write(&cgroup.path.join("pids.max"), &max.to_string())?;
    Ok(cgroup)
}
