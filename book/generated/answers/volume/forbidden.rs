/// What a mount forbids, as flags for mount(2).
fn forbidden(place: &Path) -> Result<MsFlags> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    #[expect(unsafe_code, reason = "nix does not know ST_NOSYMFOLLOW")]
    // SAFETY: a statvfs is made of numbers, and all of them can be 0.
    let mut found: libc::statvfs = unsafe { mem::zeroed() };
    #[expect(unsafe_code, reason = "nix does not know ST_NOSYMFOLLOW")]
    // SAFETY: statvfs(3) reads a path that ends with a 0, and writes to one such structure.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut found) };
    Errno::result(result)?;
    let same = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let mut flags = found.f_flag & same;
    if found.f_flag & ST_NOSYMFOLLOW != 0 {
        flags |= libc::MS_NOSYMFOLLOW;
    }
    Ok(MsFlags::from_bits_retain(flags))
}
