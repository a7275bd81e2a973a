/// Starts `child` in namespaces of its own, and does from outside what only the host can do,
/// while `child` waits at the gate.
fn run(options: &Options) -> Result<u8> {
    let id = id::draw_id()?;
    print(&id)?;
    let mut gate = Some(Gate::new()?);
    let start = || isize::from(status(child(options, &id, gate.take())));
    let pid = process::clone_child(options.namespaces(), Box::new(start))?;
    if options.verbose {
        // The container is there by now, and does not end with who could read this.
        writeln!(io::stderr(), "On the host, child is {pid}").ok();
    }
    if options.rootless {
        // Before that, `child` is nobody, and may do nothing.
        rootless::map_ids(pid)?;
    }
    // This may take long, if the file is a FIFO, and a signal may end us meanwhile. So it
    // comes before the cgroup, which would be left behind.
    if let Some(file) = &options.pid_file {
        process::write_pid(pid, file)?;
    }
    // The limits are there before the command is, and hold for all that it starts.
    let _cgroups = limits::limit(pid, options)?;
    let _network = match options.network {
        Network::Bridge => Some(plug_in(options, pid)?),
        _ => None,
    };
    // What `child` has taken was taken from its own copy of our memory. It stays open until we
    // end, however we end.
    let _open = gate.context("find the gate")?.open()?;
    init::wait(pid, false)
}
