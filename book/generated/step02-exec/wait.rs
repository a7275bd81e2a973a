/// Waits until `child` has ended, and returns its exit status: its own, or 128 + n
/// if signal n ended it.
///
/// SIGTERM and SIGHUP are passed on. SIGINT and SIGQUIT are not: the terminal sends
/// them to every process in the foreground, so `child` has had its own.
///
/// From step 5 on, `child` is PID 1 and inherits the orphans, but it waits for none of them:
/// each that ends stays a zombie until the container ends. A real init, such as tini, reaps it.
pub fn wait(mut child: Child) -> Result<ExitCode> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        if let Some(status) = child.try_wait().context("wait for the child process")? {
            let signal = status.signal().map(|number| 128 + number);
            let code = status.code().or(signal).unwrap_or(125);
            return Ok(ExitCode::from(u8::try_from(code)?));
        }
        // The child still ran. If it has ended since, its SIGCHLD is pending here.
        let signal = signals().wait().context("wait for a signal")?;
        if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
            kill(pid, signal).with_context(|| format!("pass {signal} on to process {pid}"))?;
        }
    }
}
