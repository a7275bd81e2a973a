/// Makes the root filesystem our `/`, with the old one on top of it.
fn enter_root() -> Result<()> {
    let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
    let root = Path::new(&root);
    // pivot_root(2) swaps two mounts, and a folder is none: bound to itself it becomes one.
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(root), root, None::<&str>, flags, None::<&str>).with_context(|| {
        let root = root.display();
        format!("bind {root} (make one with `cargo run --bin rootfs`, or name one in ROOTFS)")
    })?;
    env::set_current_dir(root).context("change directory to the new root")?;
    // The second path is where the old root goes: here on top of the new one, so that it
    // takes no folder. All processes of this mount namespace go along, `run` too.
    pivot_root(".", ".").context("pivot_root to the new root")
}
