//! After step 5: clone(2) instead of unshare(2).

use anyhow::Result;
use contract::failure::expect;
use kernelfiles::process::namespace;

use crate::check::{Check, checks};
use crate::dependable::ends_with_the_exit_status_of_the_command;
use crate::lesson::numbers_its_processes_from_1;
use crate::program::Program;

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    prints_the_pid_of_the_child_on_the_host,
    numbers_its_processes_from_1,
    stays_in_the_namespaces_of_the_host,
    ends_with_the_exit_status_of_the_command,
    leaves_no_zombie,
];

fn prints_the_pid_of_the_child_on_the_host(program: &Program) -> Result<()> {
    let mut running = program.run(&["sleep", "1040"]).start()?;
    let command = program.host.find_process(&["sleep", "1040"])?;
    let child = program.host.init_of(command)?.to_string();
    let what = format!("the number {child}, the host's for PID 1, on standard error");
    running.wait_until(&what, |running| {
        let stderr = running.stderr()?;
        let mut words = stderr.split(|c: char| !c.is_ascii_alphanumeric());
        Ok(words.any(|word| word == child).then_some(()))
    })
}

fn stays_in_the_namespaces_of_the_host(program: &Program) -> Result<()> {
    let running = program.run(&["sleep", "1041"]).start()?;
    let command = program.host.find_process(&["sleep", "1041"])?;
    for kind in [
        "uts",
        "pid",
        "pid_for_children",
        "mnt",
        "ipc",
        "net",
        "user",
    ] {
        let host = program.host.namespace(kind)?;
        let seen = namespace(running.pid(), kind)?;
        let what = format!("`run` in the host's namespaces, {host}");
        expect(
            seen == host,
            what,
            format_args!("{seen} in /proc/PID/ns/{kind}"),
        )?;
    }
    for kind in ["uts", "pid"] {
        let host = program.host.namespace(kind)?;
        let seen = namespace(command, kind)?;
        let what = format!("the command in another {kind} namespace than the host");
        expect(seen != host, what, seen)?;
    }
    Ok(())
}

fn leaves_no_zombie(program: &Program) -> Result<()> {
    // To this shell, as PID 1 of a namespace, comes what `run` leaves behind. It looks
    // into /proc itself: for another program it would have to wait, and clean up.
    let script = "\"$@\"; code=$?; cd /proc && echo left: [0-9]*; exit $code";
    let shell = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let call = program.run_shell("exit 3").with_prefix(&shell);
    call.end()?.exits(3)?.prints("left: 1")?;
    Ok(())
}
