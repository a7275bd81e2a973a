/// Makes the new root the root of all mounts, and lets go of the old one and of all that the
/// host has mounted in it: because of that, umount(2) alone would say EBUSY.
///
/// This comes last. What we mount from the host, we can only while it is in our mounts; and
/// in a user namespace, proc can be mounted only by who sees another one already.
pub fn swap_roots(roots: Roots) -> Result<()> {
    // Back outside, as every root can who has a folder open there: pivot_root(2) says EBUSY
    // to a process that is in the new root already.
    fchdir(&roots.old).context("change directory to the old root")?;
    chroot(".").context("chroot to the old root")?;
    fchdir(&roots.new).context("change directory to the new root")?;
    // The second path is where the old root goes: here on top of the new one, so that it
    // takes no folder. All processes of this mount namespace go along.
    pivot_root(".", ".").context("pivot_root to the new root")?;
    // What is unmounted is what lies on top. On the old root the overlay's memory may, if that
    // is an overlay of `/`. With EINVAL the old root itself is a mount no more.
    fchdir(&roots.old).context("change directory to the old root")?;
    while detach(".").context("detach the old root")? {}
    fchdir(&roots.new).context("change directory to the new root")
}
