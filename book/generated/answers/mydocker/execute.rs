/// Takes away what the command is not to have, and executes it.
fn execute(options: &Options, start: &Start, log: Option<&File>) -> Result<u8> {
    start.enter_folder()?;
    if let Some(user) = start.user {
        user::expect_user(user)?;
    }
    // All that takes capabilities is done: mounts, names, interfaces.
    if options.capabilities() != capabilities::ALL {
        sets::drop_capabilities(options.capabilities())?;
    }
    // Last, since the filter refuses us too what we have done above.
    if options.seccomp {
        filter::refuse_system_calls()?;
    }
    init::execute(&mut process::command(start, log)?, options.verbose, log)
}
