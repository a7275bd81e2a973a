//! After step 5: a network namespace with a cable to the host.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::failure::{Failure, Obstacle, expect};
use kernelfiles::network::{addresses, interfaces, routes};
use kernelfiles::process;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::{Check, checks};
use crate::exercise::net_ipc::reaches_itself_over_lo;
use crate::patience::{LONG, scaled, until};
use crate::program::{Program, Running};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    reaches_itself_over_lo,
    reaches_the_host,
    is_reached_from_the_host,
    is_ready_before_the_command_starts,
    gives_twenty_at_once_an_address_each,
    leaves_a_name_that_is_taken_to_its_owner,
    leaves_no_interface_after_an_end,
    leaves_no_interface_after_sigkill,
    leaves_no_interface_if_the_container_is_killed,
    leaves_no_interface_without_a_command,
];

/// The network namespace of the test, which is the host's.
pub const HOST: &str = "thread-self";

pub(super) fn reaches_the_host(program: &Program) -> Result<()> {
    let (_running, cable) = start(program, "1040")?;
    talks(&cable.pid.to_string(), HOST, cable.host)
}

pub(super) fn is_reached_from_the_host(program: &Program) -> Result<()> {
    let (_running, cable) = start(program, "1041")?;
    talks(HOST, &cable.pid.to_string(), cable.container)
}

/// What comes too late, comes too late for one command or another.
pub(super) fn is_ready_before_the_command_starts(program: &Program) -> Result<()> {
    expect_kernel_has("veth")?;
    for _ in 0..10 {
        let ended = program.run(&["cat", "/proc/net/route"]).end()?;
        let holds = !ended.line_with("eth0\t").is_empty();
        let what = "eth0, up and with an address, in the command's /proc/net/route";
        ended.exits(0)?.expected(what, holds)?;
    }
    Ok(())
}

pub(super) fn gives_twenty_at_once_an_address_each(program: &Program) -> Result<()> {
    expect_kernel_has("veth")?;
    // Threads count, and some languages begin with a dozen.
    program.host.allow_processes(1000)?;
    let names = (2000..2020).map(|number| number.to_string());
    let names: Vec<String> = names.collect();
    let start = |name: &String| program.run(&["sleep", name]).start();
    let all = names.iter().map(start).collect::<Result<Vec<_>>>()?;
    let cables = names.iter().map(|name| Cable::find(program, name));
    let cables = cables.collect::<Result<Vec<_>>>()?;
    let different: BTreeSet<_> = cables.iter().map(|cable| cable.container).collect();
    let seen = format!("{different:?}");
    expect(different.len() == 20, "20 different addresses", seen)?;
    for cable in &cables {
        talks(&cable.pid.to_string(), HOST, cable.host)?;
    }
    for running in all {
        running.end_with(Signal::SIGTERM)?.exits(143)?;
    }
    Ok(())
}

fn leaves_a_name_that_is_taken_to_its_owner(program: &Program) -> Result<()> {
    let before = interfaces(HOST)?;
    let (running, _) = start(program, "1042")?;
    let new = interfaces(HOST)?;
    running.end_with(Signal::SIGTERM)?;
    expect_interfaces(&before)?;
    for name in new.difference(&before) {
        ip(&format!("link add {name} type veth peer name other-{name}"))?;
    }
    let taken = interfaces(HOST)?;
    let (running, cable) = start(program, "1043")?;
    talks(&cable.pid.to_string(), HOST, cable.host)?;
    running.end_with(Signal::SIGTERM)?.exits(143)?;
    expect_interfaces(&taken)
}

pub(super) fn leaves_no_interface_after_an_end(program: &Program) -> Result<()> {
    ends_without_a_trace(program, |_, running| {
        running.end_with(Signal::SIGTERM)?.exits(143)?;
        Ok(())
    })
}

fn leaves_no_interface_after_sigkill(program: &Program) -> Result<()> {
    ends_without_a_trace(program, |_, running| {
        running.end_with(Signal::SIGKILL)?.exits(137)?;
        Ok(())
    })
}

pub(super) fn leaves_no_interface_if_the_container_is_killed(program: &Program) -> Result<()> {
    ends_without_a_trace(program, |pid, running| {
        let init = program.host.init_of(pid)?;
        kill(Pid::from_raw(init), Signal::SIGKILL).context("kill the container")?;
        running.end()?.exits(137)?;
        Ok(())
    })
}

fn ends_without_a_trace(
    program: &Program,
    end: impl FnOnce(i32, Running) -> Result<()>,
) -> Result<()> {
    let before = interfaces(HOST)?;
    let (running, cable) = start(program, "1044")?;
    end(cable.pid, running)?;
    expect_interfaces(&before)
}

pub(super) fn leaves_no_interface_without_a_command(program: &Program) -> Result<()> {
    let before = interfaces(HOST)?;
    program.run(&["no-such-command"]).end()?.exits(127)?;
    expect_interfaces(&before)
}

/// A container and the host, by the addresses of the two ends.
pub struct Cable {
    /// The command of the container.
    pub pid: i32,
    pub container: Ipv4Addr,
    pub host: Ipv4Addr,
}

impl Cable {
    /// That of the container in which `sleep` sleeps so many seconds.
    pub fn find(program: &Program, seconds: &str) -> Result<Self> {
        let pid = program.host.find_process(&["sleep", seconds])?;
        let routes = routes(pid)?;
        let mut direct = routes.iter();
        let direct = direct.find(|route| {
            route.interface == "eth0"
                && route.gateway.is_unspecified()
                && !route.mask.is_unspecified()
        });
        let direct = direct.ok_or_else(|| {
            let what = "eth0 in the container, up and with an address";
            Failure::new(what, format_args!("these routes: {routes:?}"))
        })?;
        let within = |pid: &str, what| {
            let all = addresses(pid)?;
            let found = all.iter().find(|address| direct.leads_to(**address));
            found.copied().ok_or_else(|| {
                let what = format!("{what} in the net {}/{}", direct.net, direct.mask);
                anyhow::Error::from(Failure::new(what, format_args!("these: {all:?}")))
            })
        };
        Ok(Self {
            pid,
            container: within(&pid.to_string(), "an address of the container")?,
            host: within(HOST, "an address of the host")?,
        })
    }
}

/// Starts a container in which `sleep` sleeps so many seconds.
fn start<'a>(program: &'a Program, seconds: &str) -> Result<(Running<'a>, Cable)> {
    expect_kernel_has("veth")?;
    let running = program.run(&["sleep", seconds]).start()?;
    let cable = Cable::find(program, seconds)?;
    Ok((running, cable))
}

/// Fails unless a word gets from one network namespace to another, which has the address, and
/// back. Each is that of a process.
pub fn talks(from: &str, to: &str, address: Ipv4Addr) -> Result<()> {
    let to = within(to, || Ok(TcpListener::bind((address, 0))?));
    let to = to.map_err(|error| {
        let what = format!("an end that has the address {address}");
        Failure::new(what, format_args!("{error:#}"))
    })?;
    let port = to.local_addr().context("find the port")?.port();
    let what = format!("a TCP connection to {address}, and an echo");
    // After 8 seconds without an answer the kernel asks anew who has an address.
    let patience = scaled(LONG).min(Duration::from_secs(7));
    let echo = || -> Result<()> {
        let address = SocketAddr::from((address, port));
        let here = within(from, || Ok(TcpStream::connect_timeout(&address, patience)?));
        let mut here = here?;
        let (mut there, _) = to.accept()?;
        let mut word = [0; 5];
        for stream in [&here, &there] {
            stream.set_read_timeout(Some(scaled(LONG)))?;
        }
        here.write_all(b"hello")?;
        there.read_exact(&mut word)?;
        there.write_all(&word)?;
        here.read_exact(&mut word)?;
        Ok(())
    };
    echo().map_err(|error| Failure::new(what, format_args!("{error:#}")).into())
}

/// Does something in the network namespace of a process: a socket that is made stays there.
pub fn within<T: Send>(pid: &str, act: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let namespace = File::open(process::path(pid, "ns/net")).context("open a namespace")?;
    thread::scope(|scope| {
        // Namespaces are a thread's.
        let acting = scope.spawn(|| {
            setns(&namespace, CloneFlags::CLONE_NEWNET).context("enter a namespace")?;
            act()
        });
        acting.join().expect("no thread panics here")
    })
}

/// Fails unless the host has these interfaces, once the kernel is done with all that ended.
pub fn expect_interfaces(expected: &BTreeSet<String>) -> Result<()> {
    let is_so = || interfaces(HOST).is_ok_and(|seen| seen == *expected);
    until("", is_so).or_else(|_| {
        let what = format!("these interfaces on the host, and no others: {expected:?}");
        expect(false, what, format_args!("{:?}", interfaces(HOST)?))
    })
}

/// Without it nothing can be asked: a kernel may lack a module.
pub fn expect_kernel_has(kind: &str) -> Result<()> {
    ip(&format!("link add probe type {kind}")).map_err(|error| {
        let text = format!("this kernel makes no {kind} (`modprobe {kind}`): {error:#}");
        Failure::not_asked(Obstacle::NoHost(text))
    })?;
    ip("link delete probe")
}

/// ip(8), on the host of the test.
pub fn ip(words: &str) -> Result<()> {
    let ended = Command::new("ip").args(words.split(' ')).output();
    let ended = ended.context("execute ip (Debian: iproute2)")?;
    let error = String::from_utf8_lossy(&ended.stderr);
    let error = error.trim();
    expect(
        ended.status.success(),
        format_args!("success of ip {words}"),
        error,
    )
}
