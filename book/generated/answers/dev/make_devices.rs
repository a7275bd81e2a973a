/// Fills /dev with device files and links, and closes the host's: as long as it is open,
/// /proc/1/fd has a way out of the root filesystem.
pub fn make_devices(host: File) -> Result<()> {
    // Else it would be taken away from the mode that mknod(2) is asked for.
    let mask = umask(Mode::empty());
    for (name, major, minor) in DEVICES {
        make_device(name, makedev(*major, *minor), &host)?;
    }
    umask(mask);
    for (name, target) in LINKS {
        symlink(target, Path::new("/dev").join(name))
            .with_context(|| format!("link /dev/{name} to {target}"))?;
    }
    Ok(())
}
