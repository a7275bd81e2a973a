/// Gives us a root filesystem, and mounts in it what a container needs.
fn change_mounts(options: &Options) -> Result<()> {
    // By their names they are out of reach as soon as there is another root.
    let folders = volume::open_folders(&options.volumes)?;
    if options.host_root {
        root::detach_proc()?;
        root::mount_proc()?;
        return volume::mount_volumes(&options.volumes, folders);
    }
    let dev = File::open("/dev").context("open the host's /dev")?;
    let roots = root::enter_root(options)?;
    root::mount_proc()?;
    dev::mount_dev()?;
    dev::make_devices(dev)?;
    dev::mount_tmp()?;
    // After /tmp: a volume may lie in there.
    volume::mount_volumes(&options.volumes, folders)?;
    root::swap_roots(roots)
}
