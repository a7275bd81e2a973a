/// A new bind mount has the flags of the mount that it came from: mount(2) ignores all that
/// are passed with MS_BIND. A second call changes them, all at once. So those that are to
/// stay have to be named; and in a user namespace the kernel insists that they do. Those
/// about times of access stay if none of them is named.
fn make_read_only(place: &Path) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let flags = flags | forbidden(place).context("look at its flags")?;
    let none = None::<&str>;
    mount(none, place, none, flags, none).context("make it read-only")
}
