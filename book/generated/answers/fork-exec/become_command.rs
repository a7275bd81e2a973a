/// Executes the command in place of this program. If that fails, what is returned goes up
/// to `main` and ends the child, and the exit status tells the parent.
fn become_command(argv: &[CString]) -> Result<ExitCode> {
    // Across exec a blocked signal stays blocked, and an ignored one ignored. Rust ignores
    // SIGPIPE; a command that does so too would not end with the reader of its output.
    signals().thread_unblock().context("unblock signals")?;
    #[expect(unsafe_code, reason = "nix cannot tell which handlers are safe")]
    // SAFETY: the default action is no handler: no code of ours will run at a signal.
    let pipe = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    pipe.context("reset SIGPIPE")?;
    let Err(errno) = execvp(&argv[0], argv);
    let command = argv[0].to_string_lossy();
    let code = match errno {
        Errno::ENOENT => 127,
        // Too many processes of this user, or files of this system, or too little memory: the
        // command is not to blame.
        Errno::EAGAIN | Errno::ENFILE | Errno::ENOMEM => 125,
        _ => 126,
    };
    say(&format!(
        "error: execute {command}: {}",
        io::Error::from(errno)
    ));
    Ok(ExitCode::from(code))
}
