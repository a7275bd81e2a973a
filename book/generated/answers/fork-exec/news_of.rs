/// Asks what has become of `child`: it has ended, was stopped or continued, or, with
/// `None`, nothing new. Once it has ended, asking also removes the zombie.
fn news_of(child: Pid) -> Result<Option<ExitStatus>> {
    // WNOHANG: do not wait. Without the other two, only an end is news.
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    let mut status = 0;
    #[expect(unsafe_code, reason = "nix's waitpid fails after a real-time signal")]
    // SAFETY: waitpid(2) writes one int, to where there is one.
    let pid = unsafe { libc::waitpid(child.as_raw(), &raw mut status, options) };
    match Errno::result(pid).context("wait for the child process")? {
        0 => Ok(None),
        _ => Ok(Some(ExitStatus::from_raw(status))),
    }
}
