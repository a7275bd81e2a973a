/// Starts `child` in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // In the new user namespace we are nobody until somebody says who we were outside.
    let (user, group) = (geteuid(), getegid());
    // Our children will be in the new PID namespace. We stay where we are, but for the user
    // namespace. The kernel makes that one first: in it we have all capabilities, and as
    // the others belong to it, these are enough to make them.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)
        .context(MAKE_NAMESPACES)?;
    map_ids(user, group)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}
