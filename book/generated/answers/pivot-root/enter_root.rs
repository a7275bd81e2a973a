/// Makes the root filesystem a mount and our `/`: for the set-up by chroot(2).
///
/// Names then lead where they lead for the command, and `..` in a link never out. After
/// pivot_root(2) the old root would lie on top of the new one, and `..` lead there.
fn enter_root() -> Result<Roots> {
    let old = open("/", PLACE, Mode::empty()).context("open the old root")?;
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    chroot(root.as_os_str()).with_context(|| {
        let root = root.to_string_lossy();
        format!("chroot to {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    // pivot_root(2) swaps two mounts, and a folder is none: bound to itself it becomes one.
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/"), "/", None::<&str>, flags, None::<&str>).context("bind the new root")?;
    // `/` still leads to the folder beneath, and so may the name that it had. In a root
    // directory `..` stays there, but goes up to what lies on it.
    env::set_current_dir("/..").context("change directory to what lies on /")?;
    chroot(".").context("chroot to the new root")?;
    let new = open("/", PLACE, Mode::empty()).context("open the new root")?;
    Ok(Roots { old, new })
}
