fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        if error.downcast_ref() == Some(&Errno::EPERM) {
            writeln!(io::stderr(), "{}", ways_to_root()).ok();
        }
        ExitCode::from(125)
    })
}
