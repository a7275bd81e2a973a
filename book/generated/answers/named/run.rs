/// Starts `child` in namespaces of its own.
fn run(name: Option<&OsStr>, argv: &[OsString]) -> Result<ExitCode> {
    let id = id::draw_id()?;
    print(&id)?;
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context(MAKE_NAMESPACES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .env(
            HOSTNAME,
            name.unwrap_or(OsStr::new(&id[..id::SHORT_ID_LENGTH])),
        )
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}
