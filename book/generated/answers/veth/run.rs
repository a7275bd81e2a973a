/// Starts `child` in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // Where a socket was made, there it stays: this one is for the host's side of the cable.
    let host = Netlink::open()?;
    // Our children will be in the new PID namespace. The others are ours, too.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET)
        .context(MAKE_NAMESPACES)?;
    lay_cable(&host, &Netlink::open()?)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}
