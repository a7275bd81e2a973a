/// Reaps every child until process `pid` has ended, and returns the exit status of that:
/// its own, or 128 + n if signal n ended it.
///
/// Signals are passed on to it. When its parent ends before it, a process is an orphan, and
/// the kernel makes it a child of PID 1.
fn wait(pid: Pid) -> Result<ExitCode> {
    let signals = SignalFd::with_flags(&signals::passed_on(), SfdFlags::SFD_CLOEXEC);
    let signals = signals.context("make a signalfd")?;
    loop {
        // One SIGCHLD may stand for many ends: a signal that is pending is not counted.
        while let Some((ended, status)) = reap()? {
            if ended == pid {
                let signal = status.signal().map(|number| 128 + number);
                let code = status.code().or(signal).unwrap_or(125);
                return Ok(ExitCode::from(u8::try_from(code)?));
            }
        }
        if let Some(signal) = signals.read_signal().context("wait for a signal")? {
            signals::pass_on(&signal, pid)?;
        }
    }
}
