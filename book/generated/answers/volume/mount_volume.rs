/// Mounts a folder of the host in the container.
///
/// This comes in the new root: a symbolic link in the root filesystem then leads where it leads
/// for the command, and never to a file of the host. The way to the folder outside is its
/// descriptor. Newer runtimes ask open_tree(2) for one that move_mount(2) can mount.
fn mount_volume(volume: &Volume, folder: &OwnedFd, place: &Path) -> Result<()> {
    let what = || format!("mount {} on {}", volume.host.display(), place.display());
    let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
    // The place has to be there. Docker makes one, in a layer above the image; here it
    // would be made in the image, and stay there.
    //
    // With MS_REC, what is mounted below the folder comes along. `ro` would then hold for the
    // topmost mount and for none below it, so there all of that stays outside.
    let none = None::<&str>;
    let flags = match volume.is_read_only {
        true => MsFlags::MS_BIND,
        false => MsFlags::MS_BIND | MsFlags::MS_REC,
    };
    let mounted = mount(Some(folder.as_str()), place, none, flags, none);
    if volume.is_read_only && mounted == Err(Errno::EINVAL) {
        // What a mount hides is not for a user namespace to see.
        bail!(
            "{}: without root, `ro` takes a folder with no mount below it",
            what()
        );
    }
    mounted.with_context(what)?;
    if volume.is_read_only {
        make_read_only(place).with_context(what)?;
    }
    Ok(())
}
