/// Lays a cable from the bridge to the network namespace of process `pid`, in which
/// `container` was opened, and tells the address there.
pub fn lay_cable(&self, pid: u32, container: &Netlink) -> Result<Ipv4Addr> {
    let own = self.make_pair(pid)?;
    let port = self.netlink.number_of(&name_of(own))?;
    let to_bridge = attribute(libc::IFLA_MASTER, &self.bridge.to_ne_bytes());
    let request = [link(port, libc::IFF_UP), to_bridge].concat();
    let made = self.netlink.change(libc::RTM_NEWLINK, 0, &request);
    made.with_context(|| format!("make a port of the bridge {BRIDGE}"))?;

    let eth0 = container.number_of("eth0")?;
    // Who has sent something to an address knows the hardware that it belongs to, for
    // half a minute or so. So it is the same again when the address is.
    let hardware = attribute(libc::IFLA_ADDRESS, &hardware_address(own));
    let request = [link(eth0, 0), hardware].concat();
    let given = container.change(libc::RTM_NEWLINK, 0, &request);
    given.context("give eth0 a hardware address")?;
    container.add_address(eth0, address(own), 24)?;
    container.bring_up(eth0)?;
    container.bring_up(container.number_of("lo")?)?;
    add_default_route(container)?;
    Ok(address(own).into())
}
