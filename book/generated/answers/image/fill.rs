/// Covers our root with a root filesystem in memory, and unpacks the image there.
fn fill(path: &Path) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `child` can start `fill`: by hand, it would change the host\n{USAGE}");
    }
    // Nothing here has to be tidied up by us, and so a signal may end us at any moment.
    SigSet::all().thread_unblock().context("unblock signals")?;
    let image = Image::open(path)?;
    // All is open now, and from here on no name leads out of the new root: `..` ends at its
    // top, and so does a link to `/`. Whatever a layer says, we can write nowhere else.
    mount_new("tmpfs", "/", MsFlags::empty(), "mode=755")?;
    enter_top()?;
    umask(Mode::from_bits_truncate(0o022));
    image.layers.iter().try_for_each(unpack::unpack)?;
    Ok(ExitCode::SUCCESS)
}
