/// Makes a pair of interfaces: `here` in the namespace of the socket, `there` in that of
/// process `pid`, and at no time anywhere else.
pub fn add_pair(&self, here: &str, there: &str, pid: u32) -> Result<(), Errno> {
    let peer = [
        link(0, 0),
        attribute(libc::IFLA_IFNAME, there.as_bytes()),
        attribute(libc::IFLA_NET_NS_PID, &pid.to_ne_bytes()),
    ];
    let peer = attribute(VETH_INFO_PEER, &peer.concat());
    let kind = [
        attribute(libc::IFLA_INFO_KIND, b"veth"),
        attribute(libc::IFLA_INFO_DATA, &peer),
    ];
    let pair = [
        link(0, 0),
        attribute(libc::IFLA_IFNAME, here.as_bytes()),
        attribute(libc::IFLA_LINKINFO, &kind.concat()),
    ];
    self.change(libc::RTM_NEWLINK, NEW, &pair.concat())
}
