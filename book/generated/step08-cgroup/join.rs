/// Moves this process into the cgroup at `path`, where all that it starts is born.
pub fn join(path: &Path) -> Result<()> {
    // 0 stands for the process that writes it.
    write(&path.join("cgroup.procs"), "0")
}
