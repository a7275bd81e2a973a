/// Sets the container up from within, and executes the command.
fn child(options: &Options, id: &str, gate: Option<Gate>, news: Option<News>) -> Result<u8> {
    // When `run` ends, however it ends, the kernel kills us; and when PID 1 has ended, it
    // kills all that is left in the PID namespace. If `run` has ended before this line, the
    // gate tells.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    if !gate.context("find the gate")?.opens()? {
        // Whoever could be told why has ended.
        return Ok(125);
    }
    let container = news.map(News::tell).transpose()?;
    inherited::close_inherited()?;
    let log = container.map(Container::open_log).transpose()?;
    if options.verbose {
        announce("Running in child", &options.command)?;
    }
    // Its top is the cgroup that we are in at this moment, where `run` has put us.
    unshare(CloneFlags::CLONE_NEWCGROUP).context(process::MAKE_NAMESPACES)?;
    hostname::set_hostname(options, id)?;
    if options.network != Network::Host {
        network::bring_lo_up()?;
    }
    root::make_mounts_private()?;
    let image = options.image.as_deref().map(Image::open).transpose()?;
    let unpacked = image
        .as_ref()
        .map(|image| image::mount_image(&image.layers));
    if let Some(code @ 1..) = unpacked.transpose()? {
        return Ok(code);
    }
    change_mounts(options)?;
    let start = match image {
        Some(image) => Start::in_image(options, &image.config)?,
        None => Start::new(options),
    };
    execute(options, &start, log.as_ref())
}
