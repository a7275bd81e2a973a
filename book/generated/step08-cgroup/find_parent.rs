/// Finds the directory in which to make a cgroup with a controller.
///
/// One hierarchy has it. If it is one of version 1, then /proc/self/cgroup says so:
/// `8:pids:/`. The line of version 2 names none: `0::/`.
pub fn find_parent(controller: &str) -> Result<PathBuf> {
    let cgroups = read(Path::new("/proc/self/cgroup"))
        .context("find our cgroup (takes a /proc: `mount -t proc proc /proc`)")?;
    let mut lines = cgroups.split('\n');
    for line in lines.clone() {
        let controllers = line.split(':').nth(1).unwrap_or_default();
        if controllers.split(',').any(|name| name == controller) {
            return Ok(find_mount("cgroup", controller)?.point);
        }
    }
    let own = lines.find_map(|line| line.strip_prefix("0::"));
    let own = own.context("find a cgroup of version 2 in /proc/self/cgroup")?;
    Ok(find_writable(&find_mount("cgroup2", "")?, &to_path(own)))
}
