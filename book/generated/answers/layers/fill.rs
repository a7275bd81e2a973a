/// Unpacks what is in standard input, a layer, in the folder.
fn fill(folder: &Path) -> Result<ExitCode> {
    if env::var_os(MARK).is_none() {
        bail!("only `unpack` can start `fill`\n{USAGE}");
    }
    // Nothing here has to be tidied up by us, and so a signal may end us at any moment.
    SigSet::all().thread_unblock().context("unblock signals")?;
    // From here on no name leads out of the folder: `..` ends at its top, and so does a link
    // to `/`. Whatever the layer says, the kernel lets us write nowhere else.
    chroot(folder).with_context(|| format!("chroot to {} (takes root)", folder.display()))?;
    env::set_current_dir("/").context("change directory to the new /")?;
    unpack::unpack(io::stdin().lock())?;
    Ok(ExitCode::SUCCESS)
}
