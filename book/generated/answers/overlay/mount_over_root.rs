/// Mounts a new file system, which needs no device, over our root.
pub fn mount_over_root(kind: &str, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(kind), "/", Some(kind), flags, Some(options))
        .with_context(|| format!("mount {kind} on the root filesystem"))
}
