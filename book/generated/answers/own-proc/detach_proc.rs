/// Takes the host's /proc out of our tree of directories, and with MNT_DETACH also what is
/// mounted in it: systemd's binfmt_misc, for which a plain umount(2) says EBUSY.
///
/// Were the new /proc only mounted over the old one, `umount /proc` in the container would
/// bring that to light again.
fn detach_proc() -> Result<()> {
    umount2("/proc", MntFlags::MNT_DETACH).context("detach the host's /proc")
}
