/// Starts `child` in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    let child = clone_child(argv)?;
    print(&format!("On the host, child is {child}"))?;
    wait(child)
}
