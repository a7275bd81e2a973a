/// Mounts a small /dev, and in it terminals and shared memory that are the container's own.
pub fn mount_dev() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    mount_new("tmpfs", "/dev", flags, "mode=755,size=1m")?;
    // Each devpts is a new one: the terminals of the host have their names in another.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("devpts", "/dev/pts", flags, "newinstance,ptmxmode=0666")?;
    // What shm_open(3) makes is a file in here.
    let flags = flags | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/dev/shm", flags, "mode=1777,size=64m")
}
