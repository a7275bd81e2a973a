/// Starts `child` in namespaces of its own.
fn run(ports: &[Publish], argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // What is opened here, and who is started, stays with the host.
    let network = Network::join()?;
    let published: Result<Vec<_>> = ports.iter().map(publish::publish).collect();
    let published = published?;
    // Our children will be in the new PID namespace.
    unshare(NAMESPACES).context(MAKE_NAMESPACES)?;
    let address = network.lay_cable(process::id(), &Netlink::open()?)?;
    for port in &published {
        port.send(address).context("tell the address")?;
    }
    let cgroup = Cgroup::with_cap(MAX_PROCESSES)?;
    let child = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .env(CGROUP, &cgroup.path)
        .spawn()
        .context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")?;
    command::wait(child)
}
