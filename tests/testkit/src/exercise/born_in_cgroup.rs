//! After step 8: a container that begins in its cgroup.

use std::fs;

use anyhow::{Context, Result};
use contract::failure::{Failure, expect};
use kernelfiles::cgroup;
use kernelfiles::process;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::check::{Check, checks};
use crate::lesson::{
    has_a_cgroup_for_each_container, is_in_a_cgroup_with_a_cap_of_20, stops_a_fork_bomb,
};
use crate::patience::eventually;
use crate::program::{EXECUTED, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    is_born_in_its_cgroup,
    is_in_a_cgroup_with_a_cap_of_20,
    has_a_cgroup_for_each_container,
    stops_a_fork_bomb,
    leaves_no_cgroup,
];

/// A debugger of every process that comes: the kernel stops each before it does anything.
fn is_born_in_its_cgroup(program: &Program) -> Result<()> {
    if !is_version_2()? {
        return says_that_it_takes_version_2(program);
    }
    let wait = "until [ -e go ]; do sleep 0.01; done; exec \"$@\"";
    let call = program.run(&["sleep", "1000"]);
    let running = call.with_prefix(&["sh", "-c", wait, "sh"]).start()?;
    let options = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(Pid::from_raw(running.pid()), options).context("trace the program")?;
    fs::write(program.host.folder.path().join("go"), "").context("write a file")?;
    let first = eventually(
        "a process that is PID 1 of its namespace",
        first_of_a_container,
    )?;
    // Not where it is some time later, but where it is before its first instruction.
    let seen = process::text(first, "cgroup")?;
    let born = program.host.cgroup_of(first).map_err(|_| {
        let what = "the first process of the container in its cgroup from its start on";
        Failure::new(
            what,
            format_args!("/proc/PID/cgroup before it runs: {seen:?}"),
        )
    })?;
    let max = fs::read_to_string(born.join("pids.max")).unwrap_or_default();
    expect(max == "20\n", "20 in pids.max before it runs", max)?;
    program.host.kill_all();
    Ok(())
}

/// Lets those that are stopped go on, until one of them is the first of a PID namespace.
fn first_of_a_container() -> Option<i32> {
    let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
    while let Ok(status) = waitpid(Pid::from_raw(-1), Some(flags)) {
        let (pid, signal) = match status {
            WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            WaitStatus::StillAlive => return None,
            _ => continue,
        };
        let pids = process::pids(pid.as_raw()).unwrap_or_default();
        if pids.len() > 1 && pids.last() == Some(&1) {
            return Some(pid.as_raw());
        }
        ptrace::cont(pid, signal).ok();
    }
    None
}

/// What cannot be had must not be left out in silence.
fn says_that_it_takes_version_2(program: &Program) -> Result<()> {
    let ended = program.run(EXECUTED).end()?;
    ended.exits(0)?.prints("executed")?;
    ended.complains(&["version 2"])?;
    Ok(())
}

/// Whether version 2 counts processes here.
fn is_version_2() -> Result<bool> {
    let hierarchy = cgroup::hierarchy("self", "pids")?;
    Ok(hierarchy.parent().join("cgroup.controllers").exists())
}

fn leaves_no_cgroup(program: &Program) -> Result<()> {
    for command in ["true", "false", "no-such-command"] {
        program.run(&[command]).end()?;
        program.host.expect_nothing_left()?;
    }
    Ok(())
}
