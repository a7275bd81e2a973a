/// Mounts a folder of the host in the container.
///
/// This comes after chroot: a symbolic link in the root filesystem then leads where it leads
/// for the command, and never to a file of the host. The way to the folder outside is its
/// descriptor. Newer runtimes ask open_tree(2) for one that move_mount(2) can mount.
fn mount_volume(volume: &Volume, folder: &OwnedFd) -> Result<()> {
    let place = volume.container;
    let what = || format!("mount {} on {}", volume.host.display(), place.display());
    let folder = format!("/proc/self/fd/{}", folder.as_raw_fd());
    // The place has to be there. Docker makes one, in a layer above the image; here it
    // would be made in the image, and stay there.
    //
    // Without MS_REC, what is mounted below the folder stays outside. With it, `ro` would
    // hold for the topmost mount and for none below it.
    let none = None::<&str>;
    mount(Some(folder.as_str()), place, none, MsFlags::MS_BIND, none).with_context(what)?;
    if volume.is_read_only {
        make_read_only(place).with_context(what)?;
    }
    Ok(())
}
