/// Executes `command`, waits until it has ended, and returns its exit status.
///
/// As in a shell, the status is 127 if there is no such command, and 126 if there
/// is one that cannot be executed.
pub fn execute(command: &mut Command) -> Result<ExitCode> {
    prepare(Some(command))?;
    match command.spawn() {
        Ok(child) => wait(child),
        Err(error) => not_executed(command, error),
    }
}
