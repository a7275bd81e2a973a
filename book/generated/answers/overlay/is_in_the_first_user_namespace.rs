/// In each other user namespace root has fewer rights over file systems. Its number is what
/// names a namespace, and that of the first one never changes.
pub fn is_in_the_first_user_namespace() -> Result<bool> {
    let namespace = fs::metadata("/proc/self/ns/user").context("look at the user namespace")?;
    Ok(namespace.ino() == 0xefff_fffd)
}
