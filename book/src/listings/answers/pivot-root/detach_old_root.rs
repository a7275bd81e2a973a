/// Lets go of the old root, and of all that the host has mounted in it: because of that,
/// umount(2) alone would say EBUSY.
///
/// This comes last. In a user namespace, proc can be mounted only by who sees another one
/// already, and the last of these goes with the old root.
fn detach_old_root() -> Result<()> {
    // The working directory is the new root, and what is unmounted is what lies on top.
    umount2(".", MntFlags::MNT_DETACH).context("detach the old root")
}
