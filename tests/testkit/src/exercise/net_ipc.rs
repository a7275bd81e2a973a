//! After step 3: a network and an IPC namespace too.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use contract::failure::expect;
use nix::sched::{CloneFlags, unshare};

use crate::check::{Check, checks};
use crate::program::Program;

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    has_both_namespaces_to_itself,
    has_no_interface_but_lo,
    reaches_itself_over_lo,
    does_not_see_a_message_queue_of_the_host,
];

fn has_both_namespaces_to_itself(program: &Program) -> Result<()> {
    for kind in ["net", "ipc"] {
        let outside = program.host.namespace(kind)?;
        let link = format!("/proc/self/ns/{kind}");
        let ended = program.run(&["readlink", &link]).end()?;
        let what = format!("another {kind} namespace than the host's {outside}");
        let seen = ended.line_with(&format!("{kind}:["));
        let holds = !seen.is_empty() && seen != outside;
        ended.exits(0)?.expected(&what, holds)?;
    }
    Ok(())
}

fn has_no_interface_but_lo(program: &Program) -> Result<()> {
    // Where a driver for tunnels is loaded, some kernels put one into each new namespace.
    let new = Command::new("unshare")
        .args(["--net", "cat", "/proc/net/dev"])
        .output()
        .context("execute unshare")?;
    let new = String::from_utf8_lossy(&new.stdout);
    let expected = interfaces(&new);
    let ended = program.run(&["cat", "/proc/net/dev"]).end()?;
    let holds = interfaces(&ended.stdout) == expected;
    let what = format!("in /proc/net/dev no interface but {}", expected.join(", "));
    ended.exits(0)?.expected(&what, holds)?;
    Ok(())
}

/// The names in the lines that look like `  eth0: 1296 16 0 ...`.
fn interfaces(dev: &str) -> Vec<&str> {
    let is_counts = |text: &str| text.chars().all(|c| c == ' ' || c.is_ascii_digit());
    let lines = dev.lines().filter_map(|line| line.split_once(':'));
    let lines = lines.filter(|(_, counts)| is_counts(counts));
    lines.map(|(name, _)| name.trim()).collect()
}

pub(super) fn reaches_itself_over_lo(program: &Program) -> Result<()> {
    // A datagram to a port where nobody listens is sent all the same, if there is a way.
    let script = "echo >/dev/udp/127.0.0.1/9 && echo sent";
    let call = program.run(&["bash", "-c", script]);
    call.end()?.exits(0)?.prints("sent")?;
    Ok(())
}

fn does_not_see_a_message_queue_of_the_host(program: &Program) -> Result<()> {
    make_queue()?;
    let ended = program.run(&["cat", "/proc/sysvipc/msg"]).end()?;
    let is_heading = |line: &str| line.trim_start().starts_with("key");
    // A key, an identifier, and twelve numbers more.
    let is_number = |word: &str| word.parse::<i64>().is_ok();
    let is_queue = |line: &str| {
        line.split_whitespace()
            .filter(|word| is_number(word))
            .count()
            == 14
    };
    let holds = ended.stdout.lines().any(is_heading) && !ended.stdout.lines().any(is_queue);
    ended
        .exits(0)?
        .expected("the heading and no queue in /proc/sysvipc/msg", holds)?;
    Ok(())
}

/// Makes a System V message queue outside. This test, which is the host, moves to an IPC
/// namespace first, and the queue is gone when the test is.
fn make_queue() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC).context("unshare the IPC namespace")?;
    let made = Command::new("ipcmk").arg("--queue").output();
    let made = made.context("execute ipcmk")?;
    let queues = fs::read_to_string("/proc/sysvipc/msg").context("read /proc/sysvipc/msg")?;
    let error = String::from_utf8_lossy(&made.stderr);
    expect(
        queues.lines().count() == 2,
        "a queue that ipcmk makes",
        error,
    )
}
