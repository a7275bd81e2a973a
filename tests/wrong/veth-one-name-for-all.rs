//! Wrong: all cables have the same name and the same addresses. One container at a time does
//! well with that; for the next one the kernel says EEXIST.

#[path = "../../step05-pid/answers/veth/netlink.rs"]
#[allow(dead_code, reason = "an answer asks for more")]
mod netlink;
mod right;

use nix::sched::{CloneFlags, unshare};

use netlink::Netlink;

fn main() {
    let run = |argv: &[String]| {
        let host = Netlink::open()?;
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET)?;
        let container = Netlink::open()?;
        host.add_pair("veth0", "eth0", std::process::id())?;
        for (side, name, end) in [(&host, "veth0", 1), (&container, "eth0", 2)] {
            let number = side.number_of(name)?;
            side.add_address(number, [10, 77, 0, end], 24)?;
            side.bring_up(number)?;
        }
        container.bring_up(container.number_of("lo")?)?;
        Ok(right::exit_code(right::start_child(argv)?.wait()?))
    };
    right::run_and_child(run, right::become_command)
}
