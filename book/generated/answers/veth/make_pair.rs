/// Makes a pair that has a name and addresses to itself, and tells which.
///
/// The name is the lock: whether it is free is asked, and it is taken, in one system call.
fn make_pair(host: &Netlink) -> Result<u8> {
    for pair in 0..PAIRS {
        if !host.is_free(address_of(pair, 1))? {
            continue;
        }
        match host.add_pair(&name_of(pair), "eth0", process::id()) {
            Err(Errno::EEXIST) => continue,
            made => return made.map(|()| pair).context(MAKE_PAIR),
        }
    }
    bail!(
        "find a name and addresses: from box0 to box{} none are free",
        PAIRS - 1
    )
}
