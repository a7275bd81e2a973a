/// Passes a signal on, unless it is news for us, or the command has had its own.
pub fn pass_on(signal: &siginfo, pid: Pid) -> Result<()> {
    let number = i32::try_from(signal.ssi_signo)?;
    // What the terminal sends, it sends to every process in the foreground. It is the
    // kernel that sends it, which is how to tell that from a kill(2) for us alone.
    let keys = [libc::SIGINT, libc::SIGQUIT, libc::SIGWINCH];
    let is_for_all = signal.ssi_code == libc::SI_KERNEL && keys.contains(&number);
    if number == libc::SIGCHLD || is_for_all {
        return Ok(());
    }
    #[expect(unsafe_code, reason = "nix's kill has no real-time signals")]
    // SAFETY: kill(2) takes two numbers, and no memory.
    let result = unsafe { libc::kill(pid.as_raw(), number) };
    Errno::result(result).with_context(|| format!("pass signal {number} on to process {pid}"))?;
    Ok(())
}
