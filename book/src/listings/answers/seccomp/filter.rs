/// Writes the filter: a program for a small machine with one register. It can load a part of
/// `seccomp_data`, compare, jump forward, and return an answer.
fn filter() -> Result<Vec<libc::sock_filter>> {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let is_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let is_at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    // The errno is in the lower half. Without one the call would seem to have worked.
    let eperm = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    let mut filter = vec![
        // The numbers mean other calls to another architecture: x86-64 also runs 32-bit
        // programs, and lets 64-bit ones make their calls.
        step(load, offset_of!(libc::seccomp_data, arch) as u32),
        jump(is_equal, architecture()?, 1, 0),
        step(answer, libc::SECCOMP_RET_KILL_PROCESS),
        step(load, offset_of!(libc::seccomp_data, nr) as u32),
        // With this bit set, x86-64 has the same calls once more (x32).
        jump(is_at_least, 0x4000_0000, 0, 1),
        step(answer, eperm),
    ];
    for number in REFUSED {
        filter.push(jump(is_equal, *number as u32, 0, 1));
        filter.push(step(answer, eperm));
    }
    filter.push(step(answer, libc::SECCOMP_RET_ALLOW));
    Ok(filter)
}
