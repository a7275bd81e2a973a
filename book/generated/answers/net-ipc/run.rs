/// Executes the command in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    // The UTS namespace begins as a copy of the host's, the other two begin new.
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC)
        .context(MAKE_NAMESPACES)?;
    network::bring_lo_up()?;
    command::execute(Command::new(&argv[0]).args(&argv[1..]))
}
