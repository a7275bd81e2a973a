/// Makes a device file, for which the kernel wants CAP_MKNOD in the first of all user
/// namespaces. Elsewhere it says EPERM, and we borrow the host's own by a bind mount.
fn make_device(name: &str, number: u64, host: &File) -> Result<()> {
    let path = Path::new("/dev").join(name);
    let mode = Mode::from_bits_truncate(0o666);
    match mknod(&path, SFlag::S_IFCHR, mode, number) {
        Err(Errno::EPERM) => {}
        made => return made.with_context(|| format!("make /dev/{name}")),
    }
    File::create(&path).with_context(|| format!("make a file to mount /dev/{name} on"))?;
    // By its name the host's /dev is out of reach since chroot, but we hold it open.
    let from = format!("/proc/self/fd/{}/{name}", host.as_raw_fd());
    let flags = MsFlags::MS_BIND;
    mount(Some(&*from), &path, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("mount the host's /dev/{name}"))
}
