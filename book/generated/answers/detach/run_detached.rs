/// Starts a supervisor that stays, waits until it has started the container, and prints the
/// name of that.
fn run_detached(name: &str, argv: &[OsString]) -> Result<ExitCode> {
    let mut supervisor = Command::new("/proc/self/exe")
        .args(["supervise", name])
        .args(argv)
        .env(MARK, "yes")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context(EXECUTE_SELF)?;
    if hears_started(&mut supervisor)? {
        return print(name).map(|()| ExitCode::SUCCESS);
    }
    // Until then it has our standard error, and so has told why.
    let status = supervisor.wait().context("wait for the supervisor")?;
    Ok(ExitCode::from(code_of(status)))
}
