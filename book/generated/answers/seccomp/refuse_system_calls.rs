/// Puts a filter in front of all system calls, ours too. It stays across fork and execve,
/// and nobody can take it away.
pub fn refuse_system_calls() -> Result<()> {
    // Else a filter takes CAP_SYS_ADMIN: with one, a setuid program could be made to believe
    // that its setuid(2) had worked.
    set_no_new_privs().context("set no_new_privs")?;
    let mut filter = filter()?;
    let program = libc::sock_fprog {
        len: filter.len().try_into().context("count the instructions")?,
        filter: filter.as_mut_ptr(),
    };
    let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: the kernel copies `len` instructions from `filter`, which outlives the call.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &program) };
    Errno::result(result).context("install the filter of system calls")?;
    Ok(())
}
