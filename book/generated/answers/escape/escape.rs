/// Becomes the command, outside.
fn escape(argv: &[OsString]) -> Result<ExitCode> {
    let before = root()?;
    climb_out()?;
    if root()? == before {
        bail!("there is no way out: `..` ends at the root that we had");
    }
    let error = Command::new(&argv[0]).args(&argv[1..]).exec();
    writeln!(
        io::stderr(),
        "error: execute {}: {error}",
        argv[0].to_string_lossy()
    )
    .ok();
    let is_missing = error.kind() == ErrorKind::NotFound;
    Ok(ExitCode::from(if is_missing { 127 } else { 126 }))
}
