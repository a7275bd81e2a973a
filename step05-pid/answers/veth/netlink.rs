//! What the kernel is asked about interfaces and addresses: messages to a socket.
//!
//! A message has a header, then a structure that depends on what is asked, and then attributes.
//! Each of these has a length, a type and a value, which may be attributes again.
//!
//! Read: netlink(7), rtnetlink(7), and `linux/if_link.h`.

use std::os::fd::{FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{read, write};

/// With a request to make something: what is there already will not do ...
pub const NEW: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// ... or will do as well.
pub const NEW_OR_SAME: i32 = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;

// From `linux/veth.h` and `linux/rtnetlink.h`. The crate libc lacks them, or lacks them with musl.
const VETH_INFO_PEER: u16 = 1;
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// A socket by which the kernel is asked about one network namespace: that in which the socket
/// was made, for good.
pub struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    pub fn open() -> Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        #[expect(unsafe_code, reason = "Rust's library has no such socket")]
        // SAFETY: socket(2) takes three numbers, and what it returns belongs to nobody else.
        let socket = unsafe {
            let number = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
            Errno::result(number).map(|number| OwnedFd::from_raw_fd(number))
        };
        let socket = socket.context("make a netlink socket")?;
        Ok(Self { socket })
    }

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

    /// The number of an interface, by which all else is asked about it.
    pub fn number_of(&self, name: &str) -> Result<i32> {
        // What is told begins with the same structure as what was asked.
        let found = self.find(name)?;
        let number = found.get(4..8).context("find the number of an interface")?;
        Ok(i32::from_ne_bytes(number.try_into()?))
    }

    /// All that the kernel tells about an interface.
    pub fn find(&self, name: &str) -> Result<Vec<u8>> {
        let request = [link(0, 0), attribute(libc::IFLA_IFNAME, name.as_bytes())];
        let answer = self.ask(libc::RTM_GETLINK, 0, &request.concat());
        answer.with_context(|| format!("find the interface {name}"))
    }

    /// Whether an address is nobody's, as far as this namespace knows: no route leads to it, but
    /// maybe the default route, which leads anywhere.
    pub fn is_free(&self, address: [u8; 4]) -> Result<bool> {
        // struct rtmsg: family, bits, six bytes that ask for nothing, and flags.
        let request = [
            vec![libc::AF_INET as u8, 32, 0, 0, 0, 0, 0, 0],
            RTM_F_FIB_MATCH.to_ne_bytes().to_vec(),
            attribute(libc::RTA_DST, &address),
        ];
        match self.ask(libc::RTM_GETROUTE, 0, &request.concat()) {
            Err(Errno::ENETUNREACH) => Ok(true),
            // How many bits of the address the route is for.
            route => Ok(route.context("find a route")?.get(1) == Some(&0)),
        }
    }

    /// Gives an interface an address. The first `bits` of that are what it has in common with
    /// all that can be reached there.
    pub fn add_address(&self, number: i32, address: [u8; 4], bits: u8) -> Result<()> {
        // struct ifaddrmsg: family, bits, flags, scope, and the interface.
        let request = [
            vec![libc::AF_INET as u8, bits, 0, libc::RT_SCOPE_UNIVERSE],
            number.to_ne_bytes().to_vec(),
            attribute(libc::IFA_LOCAL, &address),
            attribute(libc::IFA_ADDRESS, &address),
        ];
        self.change(libc::RTM_NEWADDR, NEW_OR_SAME, &request.concat())
            .with_context(|| format!("give interface {number} the address {address:?}"))
    }

    /// Brings an interface up: before, nothing goes in or out.
    pub fn bring_up(&self, number: i32) -> Result<()> {
        self.change(libc::RTM_NEWLINK, 0, &link(number, libc::IFF_UP))
            .with_context(|| format!("bring up interface {number}"))
    }

    /// Asks for a change. NLM_F_ACK: also if it was made, the kernel is to say so.
    pub fn change(&self, what: u16, flags: i32, request: &[u8]) -> Result<(), Errno> {
        self.ask(what, flags | libc::NLM_F_ACK, request).map(drop)
    }

    /// Sends a request, and returns the answer without its header.
    fn ask(&self, what: u16, flags: i32, request: &[u8]) -> Result<Vec<u8>, Errno> {
        // struct nlmsghdr: length, type, flags, and two numbers for those who have many.
        let length = 16 + request.len() as u32;
        let flags = (libc::NLM_F_REQUEST | flags) as u16;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(what.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(request);
        write(&self.socket, &message)?;
        let mut answer = vec![0; 8192];
        let length = read(&self.socket, &mut answer)?;
        let (header, rest) = answer[..length]
            .split_at_checked(16)
            .ok_or(Errno::EBADMSG)?;
        // An error of 0 is none: the answer to a change that was made.
        if header[4..6] == (libc::NLMSG_ERROR as u16).to_ne_bytes() {
            let error = rest.first_chunk().copied().map_or(0, i32::from_ne_bytes);
            if error != 0 {
                return Err(Errno::from_raw(-error));
            }
        }
        Ok(rest.to_vec())
    }
}

/// What begins a request about an interface, struct ifinfomsg: the number, if it has one yet,
/// and the flags that are to be set.
pub fn link(number: i32, flags: i32) -> Vec<u8> {
    let parts = [0, number, flags, flags];
    parts.map(i32::to_ne_bytes).concat()
}

/// An attribute. The next one begins at a multiple of 4 bytes.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = (length as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}
