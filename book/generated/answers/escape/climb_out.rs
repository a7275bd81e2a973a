/// Makes the topmost directory our `/`.
///
/// What stops `..` is our own root directory, and nothing else. Who starts outside of it
/// never meets it on the way up.
fn climb_out() -> Result<()> {
    env::set_current_dir("/").context("change directory to /")?;
    // A process has one root directory. A second chroot(2) does not nest in the first, it
    // takes its place; and it leaves the working directory where that was: outside now.
    chroot(BELOW).with_context(|| format!("chroot to {BELOW}"))?;
    for _ in 0..MAX_DEPTH {
        env::set_current_dir("..").context("change directory to ..")?;
    }
    chroot(".").context("chroot to the topmost directory")
}
