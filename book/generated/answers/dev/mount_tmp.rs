/// Mounts a /tmp that ends with the container.
pub fn mount_tmp() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/tmp", flags, "mode=1777")
}
