/// Makes an overlay of the root filesystem our `/`.
fn enter_root() -> Result<()> {
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    let root = Path::new(&root);
    mount_overlay(root)?;
    chroot(root).context("chroot to the overlay")?;
    // chroot leaves the working directory where it was: outside, with `..` as a way out.
    env::set_current_dir("/").context("change directory to the new /")
}
