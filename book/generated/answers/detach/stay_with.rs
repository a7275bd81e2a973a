/// Stays with a container: makes it, lets `host` run it, and leaves its exit status.
///
/// `host` returns whether there was a command, and how it ended.
pub fn stay_with(
    name: &str,
    argv: &[OsString],
    host: impl FnOnce(&Container) -> Result<(bool, u8)>,
) -> Result<u8> {
    // A session has at most one terminal, and whoever closes it sends SIGHUP to those in it.
    // A new one has none.
    setsid().context("begin a session")?;
    // Somebody may be waiting for the end of a pipe that our caller has.
    inherited::close_inherited()?;
    let (container, _lock) = Container::create(name, argv)?;
    let ended = host(&container);
    match &ended {
        Ok((true, code)) => container.set_status(*code)?,
        // What never was there is in no list.
        _ => container.forget()?,
    }
    Ok(ended?.1)
}
