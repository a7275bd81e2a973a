/// Covers the image, which is our root, with an overlay of itself: the image is read, and
/// what is written goes to a folder above it.
///
/// Here that folder is in memory. Real runtimes keep it on disk until the container is
/// removed, and have a folder below for each layer of the image.
pub fn mount_overlay(is_first: bool) -> Result<()> {
    let image = fs::metadata("/").context("look at the image")?;
    // What the image's mount forbids, the overlay has to forbid too.
    let flags = statvfs("/").context("look at the image's mount")?.flags();
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let kept = MsFlags::from_bits_truncate(flags.bits()) & kept;
    mount_over_root("tmpfs", MsFlags::empty(), "mode=700")?;
    enter_top()?;
    for folder in ["upper", "work"] {
        fs::create_dir(folder).with_context(|| format!("make the folder {folder}"))?;
    }
    // The topmost folder of the overlay is the upper one: of this owner, with these rights.
    let (owner, group) = (Some(image.uid()), Some(image.gid()));
    match chown("upper", owner, group) {
        // In a user namespace it may be somebody who is not known there. Then it is ours.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {}
        result => result.context("set the upper folder's owner")?,
    }
    fs::set_permissions("upper", image.permissions()).context("set the upper folder's rights")?;
    // The working directory is in the tmpfs by now, and `/` is the image.
    let folders = "lowerdir=/,upperdir=upper,workdir=work";
    // What overlayfs notes about a file, it writes to attributes that only the first root
    // may write; or, from Linux 5.11 on, to the owner's.
    let notes = if is_first { "" } else { ",userxattr" };
    mount_over_root("overlay", kept, &format!("{folders}{notes}"))
}
