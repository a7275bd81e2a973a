/// Says why the command was not executed, in words and by the exit status.
fn not_executed(command: &Command, error: io::Error) -> Result<ExitCode> {
    use Errno::{EAGAIN, EMFILE, ENFILE, ENOENT, ENOMEM};
    let what = format!("execute {}", command.get_program().to_string_lossy());
    let code = match error.raw_os_error().map(Errno::from_raw) {
        Some(ENOENT) => 127,
        // These come from pipe(2) and fork(2): the command is not to blame.
        Some(EAGAIN | EMFILE | ENFILE | ENOMEM) => return Err(error).context(what),
        _ => 126,
    };
    // If standard error is closed, the exit status alone has to tell.
    writeln!(io::stderr(), "error: {what}: {error}").ok();
    Ok(ExitCode::from(code))
}
