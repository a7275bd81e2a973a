/// Makes the process's root directory our `/`. Joining a mount namespace brings its topmost
/// one: where a chroot has led is a property of each process.
fn enter_root(root: OwnedFd) -> Result<()> {
    fchdir(root).context("change directory to the container's root")?;
    chroot(".").context("chroot to the container's root")
}
