/// Runs the container. Returns whether there was one, and how `child` ended.
fn host(container: &Container, argv: &[OsString]) -> Result<(bool, u8)> {
    let log = container.open_log()?;
    let cgroup = make_namespaces_and_cgroup()?;
    container.set_cgroup(&cgroup.path)?;
    let mut child = child_command(argv, &cgroup)
        .env(FOLDER, &container.folder)
        .stdout(Stdio::piped())
        .spawn()
        .context(EXECUTE_SELF)?;
    let is_started = hears_started(&mut child)?;
    if is_started {
        tell_started(&log)?;
        // Else nobody could unmount the file system that we began in.
        env::set_current_dir("/").context("change directory to /")?;
    }
    Ok((is_started, wait(child)?))
}
