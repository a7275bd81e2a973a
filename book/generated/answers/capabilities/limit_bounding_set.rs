/// Takes capabilities out of the bounding set: the most that execve(2) ever gives. When root
/// executes a program, it gives all of that, whatever root had left before.
fn limit_bounding_set(kept: u64) -> Result<()> {
    for number in (0..u64::BITS).filter(|number| kept & (1 << number) == 0) {
        let number = libc::c_ulong::from(number);
        #[expect(unsafe_code, reason = "nix has no function for it")]
        // SAFETY: with this option prctl(2) takes a number, and touches no memory.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) };
        match Errno::result(result) {
            // The kernel knows no capability of this number, and none of a higher one.
            Err(Errno::EINVAL) => break,
            result => result.with_context(|| format!("drop capability {number}"))?,
        };
    }
    Ok(())
}
