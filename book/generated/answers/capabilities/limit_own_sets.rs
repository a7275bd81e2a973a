/// Takes capabilities away from this process: those in force, those it may put in force
/// again, and those that would outlive execve(2) beside the bounding set.
fn limit_own_sets(kept: u64) -> Result<()> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut sets = [Sets::default(); 2];
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: in version 3, capget(2) writes to two such structures. Both have the layout
    // that the kernel gives them, and outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &header, &mut sets) };
    Errno::result(result).context("get the capabilities")?;
    for (set, kept) in sets.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        set.effective &= kept;
        set.permitted &= kept;
        set.inheritable = 0;
    }
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: capset(2) reads what capget(2) has written.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, &sets) };
    Errno::result(result).context("set the capabilities")?;
    Ok(())
}
