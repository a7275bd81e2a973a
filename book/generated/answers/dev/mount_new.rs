/// Mounts a new file system, on a folder that is made if it is not there.
fn mount_new(kind: &str, path: &str, flags: MsFlags, options: &str) -> Result<()> {
    expect_no_link(path)?;
    fs::create_dir_all(path).with_context(|| format!("make the folder {path}"))?;
    mount(Some(kind), path, Some(kind), flags, Some(options))
        .with_context(|| format!("mount a {kind} on {path}"))
}
