/// Runs the container. Returns whether there was one, and how `child` ended.
fn host(container: &Container, argv: &[OsString]) -> Result<(bool, u8)> {
    let log = container.open_log()?;
    let cgroup = make_namespaces_and_cgroup()?;
    container.set_cgroups(slice::from_ref(&cgroup.path))?;
    let mut child = child_command(argv, &cgroup)
        .env(FOLDER, &container.folder)
        .stdout(Stdio::piped())
        .spawn()
        .context(EXECUTE_SELF)?;
    let output = child.stdout.take().context("find what child writes")?;
    let is_started = supervisor::hears_started(output)?;
    if is_started {
        supervisor::tell_started(&log)?;
        // Else nobody could unmount the file system that we began in.
        env::set_current_dir("/").context("change directory to /")?;
    }
    Ok((is_started, wait(child)?))
}
