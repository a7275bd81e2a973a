//! After step 8: containers on one bridge, and ports of the host that lead to them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};
use contract::failure::{Failure, expect};
use kernelfiles::network::interfaces;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::{Check, checks};
use crate::exercise::net_ipc::reaches_itself_over_lo;
use crate::exercise::veth::{
    Cable, HOST, expect_interfaces, expect_kernel_has, gives_twenty_at_once_an_address_each, ip,
    is_reached_from_the_host, is_ready_before_the_command_starts, leaves_no_interface_after_an_end,
    leaves_no_interface_if_the_container_is_killed, leaves_no_interface_without_a_command,
    reaches_the_host, talks, within,
};
use crate::patience::{LONG, scaled, until};
use crate::program::{EXECUTED, Program, Running};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    reaches_itself_over_lo,
    reaches_the_host,
    is_reached_from_the_host,
    is_ready_before_the_command_starts,
    gives_twenty_at_once_an_address_each,
    reaches_another_container,
    reaches_who_has_an_old_address_now,
    reaches_what_else_the_host_has,
    publishes_ports,
    refuses_a_port_that_is_taken,
    refuses_what_is_no_port,
    leaves_the_bridge_to_the_others,
    comes_and_goes_with_others,
    leaves_nothing_after_both,
    leaves_nothing_of_a_sigkill_to_the_next,
    leaves_no_interface_after_an_end,
    leaves_no_interface_if_the_container_is_killed,
    leaves_no_interface_without_a_command,
];

pub const PUBLISH: &[&str] = &["--publish", "8080:80", "--publish", "8081:81"];

fn reaches_another_container(program: &Program) -> Result<()> {
    let (_one, one) = start(program, &[], "1050")?;
    let (_other, other) = start(program, &[], "1051")?;
    let [from, to] = [&one, &other].map(|cable| cable.pid.to_string());
    talks(&from, &to, other.container)?;
    talks(&to, &from, one.container)
}

/// Whoever talks to an address remembers the hardware that has it.
fn reaches_who_has_an_old_address_now(program: &Program) -> Result<()> {
    let (_one, one) = start(program, &[], "1052")?;
    let from = one.pid.to_string();
    let before = interfaces(HOST)?;
    for seconds in ["1053", "1054"] {
        let (running, other) = start(program, &[], seconds)?;
        talks(&from, &other.pid.to_string(), other.container)?;
        running.end_with(Signal::SIGTERM)?.exits(143)?;
        expect_interfaces(&before)?;
    }
    Ok(())
}

fn reaches_what_else_the_host_has(program: &Program) -> Result<()> {
    let address = Ipv4Addr::new(192, 0, 2, 77);
    ip(&format!("address add {address}/32 dev lo"))?;
    let (_running, cable) = start(program, &[], "1055")?;
    talks(&cable.pid.to_string(), HOST, address)
}

/// A megabyte there and back, by each: more than fits into what lies between.
fn publishes_ports(program: &Program) -> Result<()> {
    publishes(program, PUBLISH, &["sleep", "1056"], "1056")
}

/// Fails unless what the words start, and sleeps so many seconds, is reached by both ports.
pub fn publishes(program: &Program, options: &[&str], words: &[&str], seconds: &str) -> Result<()> {
    expect_kernel_has("veth")?;
    expect_kernel_has("bridge")?;
    let _running = program.run_with(options, words).start()?;
    let cable = Cable::find(program, seconds)?;
    for (port, inside) in [(8080, 80), (8081, 81)] {
        let listener = within(&cable.pid.to_string(), || {
            Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, inside))?)
        })?;
        // In a thread that nobody waits for: no client need ever come.
        thread::spawn(move || -> Result<()> {
            for _ in 0..2 {
                let (mut client, _) = listener.accept()?;
                let mut words = Vec::new();
                client.read_to_end(&mut words)?;
                client.write_all(&words)?;
            }
            Ok(())
        });
        // One after the other.
        for _ in 0..2 {
            asks(port).map_err(|error| {
                let what = format!("port {port} of the host to be answered in the container");
                Failure::new(what, format_args!("{error:#}"))
            })?;
        }
    }
    Ok(())
}

fn asks(port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, scaled(LONG)).context("connect")?;
    stream.set_read_timeout(Some(scaled(LONG)))?;
    stream.set_write_timeout(Some(scaled(LONG)))?;
    let words = vec![b'x'; 1 << 20];
    stream.write_all(&words).context("send a megabyte")?;
    stream.shutdown(Shutdown::Write).context("end it")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("receive it")?;
    let seen = format!("{} bytes", answer.len());
    expect(answer == words, "a megabyte, as it was sent", seen)
}

fn refuses_a_port_that_is_taken(program: &Program) -> Result<()> {
    let before = interfaces(HOST)?;
    let _taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8081)).context("take a port")?;
    let ended = program.run_with(PUBLISH, EXECUTED).end()?;
    ended.exits(125)?.complains(&["8081"])?.does_not_panic()?;
    ended.has_executed_nothing()?;
    expect_interfaces(&before)
}

fn refuses_what_is_no_port(program: &Program) -> Result<()> {
    for ports in [
        "", "80", "8080:", ":80", "0:80", "8080:0", "65536:80", "a:b", "1:2:3",
    ] {
        let call = program.run_with(&["--publish", ports], EXECUTED);
        call.end()?.is_wrong_usage()?;
    }
    for options in [
        &["--publish"][..],
        &["--publish", "8080:80"],
        &["--port", "8080:80"],
    ] {
        program.run_with(options, &[]).end()?.is_wrong_usage()?;
    }
    let command = ["echo", "--publish", "80"];
    let call = program.run_with(&["--publish", "8080:80", "--"], &command);
    call.end()?.exits(0)?.prints("--publish 80")?;
    Ok(())
}

fn leaves_the_bridge_to_the_others(program: &Program) -> Result<()> {
    let (running, first) = start(program, &[], "1057")?;
    let (_second, second) = start(program, &[], "1058")?;
    let (_third, third) = start(program, &[], "1059")?;
    kill(Pid::from_raw(first.pid), Signal::SIGKILL).context("kill the first command")?;
    running.end()?.exits(137)?;
    talks(&second.pid.to_string(), HOST, second.host)?;
    talks(
        &second.pid.to_string(),
        &third.pid.to_string(),
        third.container,
    )
}

/// Some begin while others, which may be the last, are about to end.
fn comes_and_goes_with_others(program: &Program) -> Result<()> {
    expect_kernel_has("bridge")?;
    program.host.allow_processes(1000)?;
    let before = interfaces(HOST)?;
    let one_after_the_other = || -> Result<()> {
        for _ in 0..8 {
            let ended = program.run(&["cat", "/proc/net/route"]).end()?;
            // Two nets, as in `eth0	00000000	…`: the default route, and its own.
            let lines = ended.stdout.lines();
            let count = lines.filter(|line| line.starts_with("eth0\t")).count();
            let what = "a default route and one to its net in /proc/net/route";
            ended.exits(0)?.expected(what, count >= 2)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one_after_the_other)).collect();
        let mut threads = threads.into_iter();
        threads.try_for_each(|thread| thread.join().expect("no thread panics here"))
    })?;
    expect_interfaces(&before)
}

/// No bridge, and no rule that would lead elsewhere what somebody else serves now.
fn leaves_nothing_after_both(program: &Program) -> Result<()> {
    let before = interfaces(HOST)?;
    let (one, _) = start(program, PUBLISH, "1060")?;
    let (other, _) = start(program, &[], "1061")?;
    for running in [one, other] {
        running.end_with(Signal::SIGTERM)?.exits(143)?;
    }
    expect_interfaces(&before)?;
    for port in [8080, 8081] {
        let address = (Ipv4Addr::LOCALHOST, port);
        let listener = TcpListener::bind(address).context("take a port that was published")?;
        TcpStream::connect(address).context("connect to a port that was published")?;
        listener.set_nonblocking(true).context("do not wait")?;
        let what = format!("a connection to port {port} that stays on the host");
        until(&what, || listener.accept().is_ok())?;
    }
    program.host.expect_nothing_left()
}

/// Who is killed cannot tidy up. Who comes next can.
fn leaves_nothing_of_a_sigkill_to_the_next(program: &Program) -> Result<()> {
    let before = interfaces(HOST)?;
    let (running, _) = start(program, PUBLISH, "1062")?;
    running.end_with(Signal::SIGKILL)?.exits(137)?;
    let host = &program.host;
    host.expect_no_process_left("an end of all processes, as `run` got SIGKILL")?;
    let call = program.run_with(PUBLISH, EXECUTED);
    call.end()?.exits(0)?.prints("executed")?;
    expect_interfaces(&before)
}

/// Starts a container in which `sleep` sleeps so many seconds.
fn start<'a>(
    program: &'a Program,
    options: &[&str],
    seconds: &str,
) -> Result<(Running<'a>, Cable)> {
    expect_kernel_has("veth")?;
    expect_kernel_has("bridge")?;
    let running = program.run_with(options, &["sleep", seconds]).start()?;
    let cable = Cable::find(program, seconds)?;
    Ok((running, cable))
}
