/// Does as [`command::wait`] does, for a process that no `Command` has started.
fn wait(child: Pid) -> Result<ExitCode> {
    let signals = SigSet::thread_get_mask().context("get the blocked signals")?;
    loop {
        let status = waitpid(child, Some(WaitPidFlag::WNOHANG));
        let code = match status.context("wait for the child process")? {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            _ => {
                let signal = signals.wait().context("wait for a signal")?;
                if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                    kill(child, signal).with_context(|| format!("pass {signal} on to {child}"))?;
                }
                continue;
            }
        };
        return Ok(ExitCode::from(u8::try_from(code)?));
    }
}
