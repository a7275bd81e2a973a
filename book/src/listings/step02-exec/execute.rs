/// Executes `command`, waits until it has ended, and returns its exit status.
///
/// As in a shell, the status is 127 if there is no such command, and 126 if there
/// is one that cannot be executed.
pub fn execute(command: &mut Command) -> Result<ExitCode> {
    let signals = signals();
    #[expect(unsafe_code, reason = "nothing else runs between fork and exec")]
    // SAFETY: after fork(2) only async-signal-safe functions may be called
    // (signal-safety(7)). The closure makes one system call and allocates nothing.
    unsafe {
        // A signal that is blocked stays blocked across exec, and a command that
        // inherits that is deaf to Ctrl-C.
        command.pre_exec(move || signals.thread_unblock().map_err(io::Error::from));
    }
    match command.spawn() {
        Ok(child) => wait(child),
        Err(error) => not_executed(command, error),
    }
}
