//! After step 5: a command in a container that runs already.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::check::{Check, checks};
use crate::program::{Call, EXECUTED, Program, Running};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    sees_its_hostname,
    has_a_pid_inside,
    sees_its_root,
    enters_a_container_of_step_5,
    ends_as_the_command_ends,
    leaves_the_container_running,
    refuses_a_process_that_is_not_there,
    refuses_what_is_no_command_line,
];

/// A container with all that there is to see, and a file that no other has. Its PID 1 is
/// the `sleep`, by which its PID on the host is found.
const SCRIPT: &str = "\
    mount -t proc proc /proc && mount -t tmpfs none /tmp && \
    hostname inside && echo in the container >/tmp/here && exec sleep 1000";

/// Starts the container, and tells the PID of its PID 1 on the host.
fn start(program: &Program) -> Result<(Running<'_>, String)> {
    let rootfs = program.rootfs.to_string_lossy();
    let words = [
        "--mount",
        "--uts",
        "--pid",
        "--fork",
        "--kill-child",
        "chroot",
    ];
    let words = [&words[..], &[&rootfs, "sh", "-c", SCRIPT]].concat();
    let running = program.call(&words).at("unshare".into()).start()?;
    let pid = program.host.find_process(&["sleep", "1000"])?;
    Ok((running, pid.to_string()))
}

/// `PROGRAM PID COMMAND...`, not started yet.
fn enter<'a>(program: &'a Program, pid: &str, command: &[&str]) -> Call<'a> {
    program.call(&[&[pid], command].concat())
}

fn sees_its_hostname(program: &Program) -> Result<()> {
    let (_container, pid) = start(program)?;
    let ended = enter(program, &pid, &["hostname"]).end()?;
    ended.exits(0)?.prints("inside")?;
    Ok(())
}

fn has_a_pid_inside(program: &Program) -> Result<()> {
    let (_container, pid) = start(program)?;
    // The container's /proc shows /proc/self to its own processes only.
    let script = "test -e /proc/self && cd /proc && echo processes [0-9]*";
    let ended = enter(program, &pid, &["sh", "-c", script]).end()?;
    let line = ended.line_with("processes ");
    let pids: Vec<&str> = line.split(' ').skip(1).collect();
    let holds = (2..=3).contains(&pids.len()) && pids[0] == "1";
    ended
        .exits(0)?
        .expected("1 and its own as the PIDs in /proc", holds)?;
    Ok(())
}

fn sees_its_root(program: &Program) -> Result<()> {
    let (_container, pid) = start(program)?;
    let command = ["sh", "-c", "pwd -P && cat /tmp/here"];
    let ended = enter(program, &pid, &command).end()?;
    ended.exits(0)?.prints("/\nin the container")?;
    Ok(())
}

fn enters_a_container_of_step_5(program: &Program) -> Result<()> {
    let call = program.run(&["sleep", "1000"]).at(program.step.clone());
    let _container = call.start()?;
    let pid = program.host.find_process(&["sleep", "1000"])?;
    let command = ["sh", "-c", "hostname && test $$ -lt 100 && echo entered"];
    let ended = enter(program, &pid.to_string(), &command).end()?;
    ended.exits(0)?.prints("container\nentered")?;
    Ok(())
}

fn ends_as_the_command_ends(program: &Program) -> Result<()> {
    let (_container, pid) = start(program)?;
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["no-such-command"], 127),
        (&["/etc/passwd"], 126),
    ] {
        enter(program, &pid, command).end()?.exits(code)?;
    }
    Ok(())
}

fn leaves_the_container_running(program: &Program) -> Result<()> {
    let (mut container, pid) = start(program)?;
    let before = program.host.snapshot()?;
    enter(program, &pid, &["true"]).end()?.exits(0)?;
    program.host.expect_unchanged(&before)?;
    enter(program, &pid, &["true"]).end()?.exits(0)?;
    container.signal(Signal::SIGKILL)?;
    container.end()?.exits(137)?;
    program.host.expect_nothing_left()
}

fn refuses_a_process_that_is_not_there(program: &Program) -> Result<()> {
    // The number of a process that has just ended.
    let (mut container, pid) = start(program)?;
    container.signal(Signal::SIGKILL)?;
    container.end()?;
    program.host.expect_nothing_left()?;
    let ended = enter(program, &pid, EXECUTED).end()?;
    ended.exits(125)?.complains(&[&pid])?.does_not_panic()?;
    ended.has_executed_nothing()?;
    Ok(())
}

fn refuses_what_is_no_command_line(program: &Program) -> Result<()> {
    for args in [&[][..], &["1"], &["no-pid", "true"]] {
        program.call(args).end()?.is_wrong_usage()?;
    }
    Ok(())
}
