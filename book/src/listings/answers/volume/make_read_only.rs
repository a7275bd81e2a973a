/// A new bind mount has the flags of the mount that it came from: mount(2) ignores all that
/// are passed with MS_BIND. A second call changes them, all at once. So those that are to
/// stay have to be named; and in a user namespace the kernel insists that they do.
fn make_read_only(place: &Path) -> Result<()> {
    let now = statvfs(place).context("look at its flags")?.flags();
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let kept = MsFlags::from_bits_truncate(now.bits()) & kept;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | kept;
    let none = None::<&str>;
    mount(none, place, none, flags, none).context("make it read-only")
}
