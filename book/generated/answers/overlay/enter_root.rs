/// Makes an overlay of the root filesystem our `/`.
fn enter_root() -> Result<()> {
    let is_first = mounts::is_in_the_first_user_namespace()?;
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    chroot(&root).with_context(|| {
        let root = root.to_string_lossy();
        format!("chroot to {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    mounts::mount_overlay(is_first)?;
    mounts::enter_top()?;
    chroot(".").context("chroot to the overlay")
}
