//! The network of all containers: a bridge on the host, and to each container a cable, of which
//! the host's end is a port of the bridge.
//!
//! Read: `networking/bridge.rst` in the kernel's documentation, rtnetlink(7), flock(2).

use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;

use crate::netlink::{NEW, Netlink, attribute, link};

const MAKE_PAIR: &str =
    "make a pair of interfaces (takes root, and a kernel that has them: `modprobe veth`)";
const MAKE_BRIDGE: &str =
    "make a bridge (takes root, and a kernel that has them: `modprobe bridge`)";

/// What the bridge is called.
const BRIDGE: &str = "boxes";

/// The addresses of the bridge, which is 1, and of the containers begin so. They are part of a
/// net that is set aside for tests of networks (RFC 2544).
const NET: [u8; 3] = [198, 18, 1];

/// The host's side of the network, as one container has it.
pub struct Network {
    netlink: Netlink,
    /// The host's network namespace, which is a file too. All who use the bridge have a shared
    /// lock on it. The kernel takes that back when a process ends, however it ends.
    namespace: Flock<File>,
    /// The number of the bridge.
    bridge: i32,
}

impl Network {
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

    /// Makes a pair that has a name to itself, and tells the number in it.
    ///
    /// The name is the lock: whether it is free is asked, and it is taken, in one system call.
    fn make_pair(&self, pid: u32) -> Result<u8> {
        for own in 2..=254 {
            match self.netlink.add_pair(&name_of(own), "eth0", pid) {
                Err(Errno::EEXIST) => continue,
                made => return made.map(|()| own).context(MAKE_PAIR),
            }
        }
        bail!("find an address: 253 containers have one");
    }

    /// Removes the bridge, if we are the last who use it.
    fn leave(&self) -> Result<()> {
        // This takes the place of our shared lock, if there are no others.
        match self.namespace.relock(FlockArg::LockExclusiveNonblock) {
            Err(Errno::EWOULDBLOCK) => return Ok(()),
            locked => locked.context("lock the network namespace")?,
        }
        let request = link(self.bridge, 0);
        self.netlink.change(libc::RTM_DELLINK, 0, &request)?;
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            writeln!(io::stderr(), "error: remove the bridge {BRIDGE}: {error:#}").ok();
        }
    }
}

/// Makes the bridge, and tells whether it was not there before.
fn make_bridge(netlink: &Netlink) -> Result<bool> {
    let kind = attribute(libc::IFLA_INFO_KIND, b"bridge");
    let bridge = [
        link(0, 0),
        attribute(libc::IFLA_IFNAME, BRIDGE.as_bytes()),
        // If it is not given one, it has that of one port or another.
        attribute(libc::IFLA_ADDRESS, &hardware_address(1)),
        attribute(libc::IFLA_LINKINFO, &kind),
    ];
    match netlink.change(libc::RTM_NEWLINK, NEW, &bridge.concat()) {
        Err(Errno::EEXIST) => Ok(false),
        made => made.map(|()| true).context(MAKE_BRIDGE),
    }
}

/// The number of the bridge. What has its name and not its hardware address is somebody else's.
fn find_bridge(netlink: &Netlink) -> Result<i32> {
    let found = netlink.find(BRIDGE)?;
    let hardware = attribute(libc::IFLA_ADDRESS, &hardware_address(1));
    let is_ours = found.windows(hardware.len()).any(|part| part == hardware);
    ensure!(
        is_ours,
        "make a bridge: there is another interface called {BRIDGE}"
    );
    netlink.number_of(BRIDGE)
}

/// The way to all that is not in the net itself: by way of the bridge, which is the host.
fn add_default_route(container: &Netlink) -> Result<()> {
    // struct rtmsg: family, bits of the net, of the sender's, type of service, table, who has
    // made it, scope, type, and flags.
    let main = libc::RT_TABLE_MAIN;
    let kind = [
        main,
        libc::RTPROT_BOOT,
        libc::RT_SCOPE_UNIVERSE,
        libc::RTN_UNICAST,
    ];
    let request = [
        vec![libc::AF_INET as u8, 0, 0, 0],
        kind.to_vec(),
        vec![0; 4],
        attribute(libc::RTA_GATEWAY, &address(1)),
    ];
    let added = container.change(libc::RTM_NEWROUTE, NEW, &request.concat());
    added.context("add a default route")
}

/// The host's end of a container's cable.
fn name_of(own: u8) -> String {
    format!("port{own}")
}

fn address(own: u8) -> [u8; 4] {
    let [a, b, c] = NET;
    [a, b, c, own]
}

/// The 2 says that nobody has bought this one.
fn hardware_address(own: u8) -> [u8; 6] {
    let [a, b, c, d] = address(own);
    [2, 0, a, b, c, d]
}
