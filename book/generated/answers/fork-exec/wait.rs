/// Waits until process `child` has ended, and returns its exit status: its own, or 128 + n
/// if signal n ended it. SIGTERM and SIGHUP are passed on.
fn wait(child: Pid) -> Result<ExitCode> {
    loop {
        let Some(status) = news_of(child)? else {
            // If there has been news since, its SIGCHLD is pending here.
            let signal = signals().wait().context("wait for a signal")?;
            if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                kill(child, signal).with_context(|| format!("pass {signal} on to {child}"))?;
            }
            continue;
        };
        if let Some(signal) = status.stopped_signal() {
            say(&format!("process {child} is stopped by signal {signal}"));
        } else if status.continued() {
            say(&format!("process {child} is continued"));
        } else {
            let signal = status.signal().map(|number| 128 + number);
            let code = status.code().or(signal).unwrap_or(125);
            return Ok(ExitCode::from(u8::try_from(code)?));
        }
    }
}
