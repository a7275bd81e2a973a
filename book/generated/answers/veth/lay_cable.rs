/// Makes a pair of interfaces: what goes into one comes out of the other.
///
/// Nobody has to remove it. An interface ends with its network namespace, which ends with the
/// last process in it, and takes the other end along. That is a moment later: the kernel waits
/// until nobody can be sending by it any more.
fn lay_cable(host: &Netlink, container: &Netlink) -> Result<()> {
    let pair = make_pair(host)?;
    for (side, name, end) in [(host, &*name_of(pair), 1), (container, "eth0", 2)] {
        let number = side.number_of(name)?;
        side.add_address(number, address_of(pair, end), 30)?;
        side.bring_up(number)?;
    }
    container.bring_up(container.number_of("lo")?)
}
