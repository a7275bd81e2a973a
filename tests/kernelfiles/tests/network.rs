//! A network namespace is read as the kernel writes it. This takes root.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use kernelfiles::network::{Route, addresses, interfaces, routes};

#[test]
fn a_namespace_has_what_was_made_in_it() {
    let script = "ip link set lo up && ip link add one type veth peer name two && \
                  ip address add 10.1.2.3/20 dev one && ip link set one up && ip link set two up && \
                  ip route add default via 10.1.0.1 && echo ready && read line";
    let mut sh = Command::new("unshare")
        .args(["--net", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start a shell");
    let mut ready = [0; 6];
    let mut output = sh.stdout.take().expect("take its output");
    std::io::Read::read_exact(&mut output, &mut ready).expect("the shell makes interfaces");
    let pid = sh.id();
    let names = interfaces(pid).expect("list interfaces");
    assert!(
        ["lo", "one", "two"]
            .iter()
            .all(|name| names.contains(*name))
    );
    let own = Ipv4Addr::new(10, 1, 2, 3);
    let all = addresses(pid).expect("list addresses");
    assert_eq!(all, [own, Ipv4Addr::LOCALHOST].into());
    let direct = Route {
        interface: "one".into(),
        net: Ipv4Addr::new(10, 1, 0, 0),
        mask: Ipv4Addr::new(255, 255, 240, 0),
        gateway: Ipv4Addr::UNSPECIFIED,
    };
    let default = Route {
        interface: "one".into(),
        net: Ipv4Addr::UNSPECIFIED,
        mask: Ipv4Addr::UNSPECIFIED,
        gateway: Ipv4Addr::new(10, 1, 0, 1),
    };
    assert_eq!(
        routes(pid).expect("list routes"),
        [default.clone(), direct.clone()]
    );
    assert!(direct.leads_to(own) && !direct.leads_to(Ipv4Addr::LOCALHOST));
    assert!(default.leads_to(Ipv4Addr::LOCALHOST));
    drop(sh.stdin.take());
    sh.wait().expect("wait for the shell");
}
