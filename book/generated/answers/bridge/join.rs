/// Makes the bridge, unless another container has: for `run`, while it is with the host.
pub fn join() -> Result<Self> {
    let netlink = Netlink::open()?;
    let namespace = File::open("/proc/self/ns/net")
        .context("find the network namespace (takes a /proc: `mount -t proc proc /proc`)")?;
    // Who is about to remove the bridge is waited for.
    let namespace = Flock::lock(namespace, FlockArg::LockShared)
        .map_err(|(_, errno)| errno)
        .context("lock the network namespace")?;
    let is_free = netlink.is_free(address(1))?;
    let is_new = make_bridge(&netlink)?;
    let network = Self {
        bridge: find_bridge(&netlink)?,
        netlink,
        namespace,
    };
    if is_new && !is_free {
        bail!(
            "make a network: this machine has a route to {:?} already",
            address(1)
        );
    }
    // Who has made it may not have come to this yet.
    network
        .netlink
        .add_address(network.bridge, address(1), 24)?;
    network.netlink.bring_up(network.bridge)?;
    Ok(network)
}
