/// Executes the command.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context(MAKE_NAMESPACES)?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]))
}
