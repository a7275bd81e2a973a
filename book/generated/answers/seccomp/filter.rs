/// Writes the filter.
fn filter() -> Result<Vec<libc::sock_filter>> {
    let mut filter = vec![
        // The numbers mean other calls to another architecture: x86-64 also runs 32-bit
        // programs, and lets 64-bit ones make their calls.
        step(LOAD, offset_of!(libc::seccomp_data, arch) as u32),
        jump(IS_EQUAL, architecture()?, 1, 0),
        step(ANSWER, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, NUMBER),
        // With this bit set, x86-64 has the same calls once more (x32).
        jump(IS_AT_LEAST, 0x4000_0000, 0, 1),
        step(ANSWER, EPERM),
    ];
    for number in REFUSED {
        filter.push(jump(IS_EQUAL, *number as u32, 0, 1));
        filter.push(step(ANSWER, EPERM));
    }
    // Its flags lie behind a pointer, and a filter cannot follow that. "No such call" sends a C
    // library back to clone(2).
    filter.push(jump(IS_EQUAL, libc::SYS_clone3 as u32, 0, 1));
    filter.push(step(ANSWER, ENOSYS));
    filter.extend(refuse_if(libc::SYS_clone, 0, HAS_ANY_OF, NAMESPACES as u32));
    // These type into the terminal, for the shell that comes after us.
    filter.extend(refuse_if(
        libc::SYS_ioctl,
        1,
        IS_EQUAL,
        libc::TIOCSTI as u32,
    ));
    filter.extend(refuse_if(
        libc::SYS_ioctl,
        1,
        IS_EQUAL,
        libc::TIOCLINUX as u32,
    ));
    filter.push(step(ANSWER, libc::SECCOMP_RET_ALLOW));
    Ok(filter)
}
