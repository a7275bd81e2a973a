/// Waits until `run` has done its part, or has ended before that.
fn is_told_to_go_on() -> Result<bool> {
    let number = env::var(PIPE).context("find out which pipe to read")?;
    let number = number.parse().context("find out which pipe to read")?;
    #[expect(
        unsafe_code,
        reason = "a number says nothing about who owns a descriptor"
    )]
    // SAFETY: `run` has opened this descriptor for us, and nothing else here uses it. It is
    // closed at the end of this function, and so the command does not inherit it.
    let mut pipe = unsafe { File::from_raw_fd(number) };
    let what = "wait for run to go on";
    // This returns 0, the end, as soon as nobody has the other end open any more.
    if pipe.read(&mut [0]).context(what)? == 0 {
        return Ok(false);
    }
    // The byte outlives `run`, which may have been killed before we asked to be. But as long
    // as `run` is there, it has its end open, and a second read(2) would wait: EAGAIN.
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context(what)?;
    match pipe.read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        result => result.map(|_| false).context(what),
    }
}
