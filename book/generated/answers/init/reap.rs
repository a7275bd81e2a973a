/// Takes the exit status of a child that has ended, whichever, and with it away the zombie.
fn reap() -> Result<Option<(Pid, ExitStatus)>> {
    let mut status = 0;
    #[expect(unsafe_code, reason = "nix's waitpid fails after a real-time signal")]
    // SAFETY: waitpid(2) writes one int, to where there is one.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    match Errno::result(pid).context("wait for the child processes")? {
        0 => Ok(None),
        pid => Ok(Some((Pid::from_raw(pid), ExitStatus::from_raw(status)))),
    }
}
