/// Starts a supervisor that stays, waits until it has started the container, and prints the
/// name of that. Returns the exit status.
pub fn run_detached(name: &str, args: &[OsString]) -> Result<u8> {
    let mut supervisor = Command::new("/proc/self/exe")
        .args(["supervise", name])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("execute /proc/self/exe supervise (takes a /proc: `mount -t proc proc /proc`)")?;
    let output = supervisor.stdout.take().context("find what it writes")?;
    if hears_started(output)? {
        print(name)?;
        return Ok(0);
    }
    // Until then it has our standard error, and so has told why.
    let status = supervisor.wait().context("wait for the supervisor")?;
    Ok(code_of(status))
}
