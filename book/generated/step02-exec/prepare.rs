/// Lets `command` begin with signals that are not blocked. Without a command, lets us wait
/// for what we start. What Rust cannot check is in this one place.
fn prepare(command: Option<&mut Command>) -> io::Result<()> {
    let blocked = signals();
    #[expect(unsafe_code, reason = "nix and std have no safe functions for these")]
    // SAFETY: the default action is no handler: no code of ours will run at a signal. And
    // after fork(2) only async-signal-safe functions may be called (signal-safety(7)): the
    // closure makes one system call and allocates nothing.
    unsafe {
        match command {
            // A caller may ignore SIGCHLD, and we inherit that. The kernel then keeps no
            // exit status of a child, and tells nobody of its end (wait(2)).
            None => signal(Signal::SIGCHLD, SigHandler::SigDfl).map(drop)?,
            // A signal that is blocked stays blocked across exec, and a command that
            // inherits that is deaf to Ctrl-C.
            Some(command) => {
                command.pre_exec(move || blocked.thread_unblock().map_err(io::Error::from));
            }
        }
    }
    Ok(())
}
