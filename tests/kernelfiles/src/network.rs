//! What /proc says of the network namespace that a process is in: proc_pid_net(5).

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::Ipv4Addr;

use anyhow::Result;

use crate::process;

/// The names of all interfaces, up or down.
pub fn interfaces(pid: impl Display) -> Result<BTreeSet<String>> {
    let text = process::text(pid, "net/dev")?;
    let names = text.lines().filter_map(|line| line.split_once(':'));
    Ok(names.map(|(name, _)| name.trim().to_owned()).collect())
}

/// The addresses of all interfaces.
pub fn addresses(pid: impl Display) -> Result<BTreeSet<Ipv4Addr>> {
    // An address, and in a line below it what it is.
    let mut address: Option<Ipv4Addr> = None;
    let mut found = BTreeSet::new();
    for line in process::text(pid, "net/fib_trie")?.lines() {
        match line.trim() {
            "/32 host LOCAL" => found.extend(address),
            line => {
                if let Some(text) = line.strip_prefix("|-- ") {
                    address = text.parse().ok();
                }
            }
        }
    }
    Ok(found)
}

/// A route in the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The interface that it is a route by, which is up.
    pub interface: String,
    /// The net that it leads to: 0.0.0.0 with the mask 0.0.0.0, if it is the default route.
    pub net: Ipv4Addr,
    /// The bits that all of the net have in common.
    pub mask: Ipv4Addr,
    /// Who is to be sent what is for that net; 0.0.0.0 if all of it can be reached there.
    pub gateway: Ipv4Addr,
}

impl Route {
    /// Whether it is for an address, too.
    pub fn leads_to(&self, address: Ipv4Addr) -> bool {
        address & self.mask == self.net
    }
}

/// All routes in the main table.
pub fn routes(pid: impl Display) -> Result<Vec<Route>> {
    let text = process::text(pid, "net/route")?;
    let routes = text.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The bytes of an address, taken for a number.
        let address = |place: usize| {
            let number = u32::from_str_radix(words.get(place)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        Some(Route {
            interface: words.first()?.to_string(),
            net: address(1)?,
            mask: address(7)?,
            gateway: address(2)?,
        })
    });
    Ok(routes.collect())
}
