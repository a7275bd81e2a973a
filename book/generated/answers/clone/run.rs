/// Starts `child` in namespaces of its own.
fn run(argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    let child = clone_child(argv)?;
    // Not to standard output, where the command may be writing by now. If nobody can read
    // it, the container runs all the same.
    writeln!(io::stderr(), "On the host, child is {child}").ok();
    wait(child)
}
