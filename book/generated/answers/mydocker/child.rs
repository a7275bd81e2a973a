/// Sets the container up from within, and executes the command.
fn child(options: &Options, id: &str, gate: Option<Gate>) -> Result<u8> {
    // When `run` ends, however it ends, the kernel kills us; and when PID 1 has ended, it
    // kills all that is left in the PID namespace. If `run` has ended before this line, the
    // gate tells.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    if !gate.context("find the gate")?.opens()? {
        // Whoever could be told why has ended.
        return Ok(125);
    }
    inherited::close_inherited()?;
    if options.verbose {
        announce("Running in child", &options.command)?;
    }
    // Its top is the cgroup that we are in at this moment, where `run` has put us.
    unshare(CloneFlags::CLONE_NEWCGROUP).context(process::MAKE_NAMESPACES)?;
    hostname::set_hostname(options, id)?;
    if options.network != Network::Host {
        network::bring_lo_up()?;
    }
    change_mounts(options)?;
    env::set_current_dir(&options.workdir)
        .with_context(|| format!("change directory to {}", options.workdir.display()))?;
    if let Some(user) = options.user {
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
    init::execute(&mut process::command(options), options.verbose)
}
