/// Says why the command was not executed, in words and by the exit status.
fn not_executed(command: &Command, error: io::Error) -> Result<ExitCode> {
    let what = format!("execute {}", command.get_program().to_string_lossy());
    let code = match error.kind() {
        ErrorKind::NotFound => 127,
        // These two come from fork(2): the command is not to blame.
        ErrorKind::WouldBlock | ErrorKind::OutOfMemory => return Err(error).context(what),
        _ => 126,
    };
    // If standard error is closed, the exit status alone has to tell.
    writeln!(io::stderr(), "error: {what}: {error}").ok();
    Ok(ExitCode::from(code))
}
