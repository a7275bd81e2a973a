/// Mounts a new file system, which needs no device, on the folder `path`.
fn mount_over(path: &Path, kind: &str, options: &str) -> Result<()> {
    mount(
        Some(kind),
        path,
        Some(kind),
        MsFlags::empty(),
        Some(options),
    )
    .with_context(|| format!("mount {kind} on {}", path.display()))
}
