/// Executes the command in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    unshare(CloneFlags::CLONE_NEWUTS).context("unshare the UTS namespace")?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]))
}
