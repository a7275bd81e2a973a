/// Starts `child` in namespaces of its own, and does its part before that goes on.
fn run(pid_file: Option<&OsStr>, argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context(MAKE_NAMESPACES)?;
    // Of the two ends only the one to read from outlives exec. If `child` had the other
    // too, the pipe would never end for it: it would be waiting for itself.
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    fcntl(&reader, FcntlArg::F_SETFD(FdFlag::empty())).context("keep a pipe open across exec")?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .env(PIPE, reader.as_raw_fd().to_string())
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    drop(reader);
    if let Some(file) = pid_file {
        write_pid(child.id(), file)?;
    }
    // A byte says "go on". That the pipe ends must not: it also does when we are killed.
    let mut writer = File::from(writer);
    writer.write_all(b"!").context("tell child to go on")?;
    let status = command::wait(child);
    // Our end was open until now. That is how `child` knows that we were there.
    drop(writer);
    status
}
