/// Stays with a container that is detached: starts it, waits for it, and leaves its exit status.
fn supervise(name: &str, argv: &[OsString]) -> Result<ExitCode> {
    expect_mark()?;
    command::block_signals()?;
    // A session has at most one terminal, and whoever closes it sends SIGHUP to those in it.
    // A new one has none.
    setsid().context("begin a session")?;
    // Somebody may be waiting for the end of a pipe that our caller has.
    inherited::close_inherited()?;
    let (container, _lock) = Container::create(name, argv)?;
    let ended = host(&container, argv);
    match &ended {
        Ok((true, code)) => container.set_status(*code)?,
        // What never was there is in no list.
        _ => container.forget()?,
    }
    Ok(ExitCode::from(ended?.1))
}
