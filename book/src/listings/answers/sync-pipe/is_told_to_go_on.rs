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
    // This returns 0, the end, as soon as nobody has the other end open any more.
    let count = pipe.read(&mut [0]).context("wait for run to go on")?;
    Ok(count == 1)
}
