/// Mounts a new file system, on a folder that is made if it is not there.
fn mount_new(kind: &str, path: &str, flags: MsFlags, options: &str) -> Result<()> {
    // It could lead to `/` itself, and what is mounted there lies on top of us, unseen; or into
    // another mount of ours, or beneath one.
    if Path::new(path).is_symlink() {
        bail!("mount on {path}: in the root filesystem that is a link; make it a folder");
    }
    fs::create_dir_all(path).with_context(|| format!("make the folder {path}"))?;
    mount(Some(kind), path, Some(kind), flags, Some(options))
        .with_context(|| format!("mount a {kind} on {path}"))
}
