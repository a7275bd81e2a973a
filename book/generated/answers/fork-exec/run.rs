/// Executes the command: fork(2) makes a process that is a copy of this one, and in the
/// copy execve(2) replaces our program by the command.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    let argv: Vec<CString> = argv
        .iter()
        .map(|arg| CString::new(arg.as_bytes()))
        .collect::<Result<_, _>>()
        .context("end each argument with a zero byte")?;
    #[expect(unsafe_code, reason = "nix has no safe fork")]
    // SAFETY: fork(2) copies only the thread that calls it. Where there are others, one of
    // them may hold a lock, such as malloc's, which nobody opens in the copy. We have one.
    let fork = unsafe { fork() };
    // From here on there are two of us, and each goes its own way.
    match fork.context("fork")? {
        ForkResult::Child => become_command(&argv),
        ForkResult::Parent { child } => wait(child),
    }
}
