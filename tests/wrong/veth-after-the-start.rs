//! Wrong: the command starts, and then it gets a network. Whoever types a command does not
//! notice, a program that connects at once does.

mod right;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn main() {
    let run = |argv: &[String]| {
        let mut child = right::start_child(argv)?;
        let pid = child.id();
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net"));
        while namespace(&pid.to_string()).ok() == namespace("self").ok() {
            thread::sleep(Duration::from_millis(1));
        }
        let net = pid % 250;
        let inside = format!("nsenter --net --target {pid} ip");
        ip(&format!(
            "ip link add veth{pid} type veth peer name eth0 netns {pid}"
        ))?;
        ip(&format!("ip address add 10.77.{net}.1/24 dev veth{pid}"))?;
        ip(&format!("ip link set veth{pid} up"))?;
        ip(&format!("{inside} address add 10.77.{net}.2/24 dev eth0"))?;
        ip(&format!("{inside} link set eth0 up"))?;
        ip(&format!("{inside} link set lo up"))?;
        Ok(right::exit_code(child.wait()?))
    };
    let child = |argv: &[String]| {
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET)?;
        right::become_command(argv)
    };
    right::run_and_child(run, child)
}

fn ip(words: &str) -> Result<()> {
    let words: Vec<&str> = words.split(' ').collect();
    // If the container has ended by now, it needs none of it.
    Command::new(words[0]).args(&words[1..]).status()?;
    Ok(())
}
