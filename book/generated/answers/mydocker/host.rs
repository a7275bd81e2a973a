/// Starts `child` in namespaces of its own, and does from outside what only the host can do,
/// while `child` waits at the gate. Returns whether there was a command, and how it ended.
fn host(options: &Options, id: &str, detached: Option<&Container>) -> Result<(bool, u8)> {
    let mut gate = Some(Gate::new()?);
    let mut news = detached.map(News::of).transpose()?;
    let start = || isize::from(status(child(options, id, gate.take(), news.take())));
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
    let cgroups = limits::limit(pid, options)?;
    if let (Some(container), Some(cgroups)) = (detached, &cgroups) {
        container.set_cgroups(&cgroups.paths)?;
    }
    let _network = match options.network {
        Network::Bridge => Some(plug_in(options, pid)?),
        _ => None,
    };
    // What `child` has taken was taken from its own copy of our memory. It stays open until we
    // end, however we end.
    let _open = gate.context("find the gate")?.open()?;
    let is_started = news.map_or(Ok(true), News::hear)?;
    Ok((is_started, init::wait(pid, false)?))
}
