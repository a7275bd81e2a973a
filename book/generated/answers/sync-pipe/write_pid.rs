/// Writes the container's PID on the host to `file`. If that is a FIFO, this waits until
/// somebody reads it.
fn write_pid(pid: u32, file: &OsStr) -> Result<()> {
    // There is no command yet that would have to be told of a signal. So let one end us:
    // then the pipe ends too, and with it `child`.
    SigSet::all().thread_unblock().context("unblock signals")?;
    fs::write(file, format!("{pid}\n"))
        .with_context(|| format!("write the PID to {}", file.to_string_lossy()))?;
    command::block_signals()
}
