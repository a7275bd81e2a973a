//! After step 8: a root that can do less, or another user.

use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::check::{Check, checks};
use crate::program::{EXECUTED, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    root_cannot_mount,
    root_cannot_set_the_hostname,
    root_cannot_make_a_block_device,
    root_has_no_more_than_docker_gives,
    nobody_gets_new_privileges,
    becomes_the_user,
    the_user_has_no_capabilities,
    passes_signals_on_to_the_user,
    leaves_no_process_of_the_user_behind,
    gives_the_rest_to_the_command,
    refuses_what_is_no_user,
];

/// What Docker lets root keep, by the numbers in `linux/capability.h`: CHOWN, DAC_OVERRIDE,
/// FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT,
/// AUDIT_WRITE, SETFCAP; and not MKNOD, since no cgroup of ours guards the devices.
const DOCKER: [u32; 13] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31];

fn root_cannot_mount(program: &Program) -> Result<()> {
    is_refused(program, "mount -t tmpfs none /tmp")
}

fn root_cannot_set_the_hostname(program: &Program) -> Result<()> {
    is_refused(program, "hostname other")
}

fn root_cannot_make_a_block_device(program: &Program) -> Result<()> {
    // In a folder that can be written: for another program the rootfs is read-only, and so
    // mknod fails with all capabilities, too.
    let rootfs = program.make_rootfs(&[])?;
    is_refused_in(program, "mknod /tmp/disk b 7 0", &rootfs)
}

fn is_refused(program: &Program, command: &str) -> Result<()> {
    is_refused_in(program, command, &program.rootfs)
}

fn is_refused_in(program: &Program, command: &str, rootfs: &Path) -> Result<()> {
    let script = format!("{command} || echo \"refused to $(id -u)\"");
    let call = program.run_shell(&script).with_env("ROOTFS", rootfs);
    let ended = call.end()?;
    ended.exits(0)?.prints("refused to 0")?;
    // And for no other reason: some programs say EPERM in their own words.
    let words = ["Operation not permitted", "permission denied", "root"];
    let holds = words.iter().any(|words| ended.stderr.contains(words));
    ended.expected("an error message that tells of EPERM", holds)?;
    Ok(())
}

fn root_has_no_more_than_docker_gives(program: &Program) -> Result<()> {
    let docker: u64 = DOCKER.iter().map(|number| 1 << number).sum();
    let most = ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"].map(|set| (set, docker));
    has_no_more_than(program, &[], &most)
}

fn nobody_gets_new_privileges(program: &Program) -> Result<()> {
    let call = program.run(&["sh", "-c", STATUS, "sh", "NoNewPrivs:"]);
    call.end()?.exits(0)?.prints("NoNewPrivs: 1")?;
    Ok(())
}

fn becomes_the_user(program: &Program) -> Result<()> {
    let ids = ["sh", "-c", "id -u; id -g; id -G"];
    // With groups to lose.
    let groups = ["setpriv", "--groups=4,24"];
    let call = program.run_with(&["--user", "1000:1001"], &ids);
    let ended = call.with_prefix(&groups).end()?;
    ended.exits(0)?.prints("1000\n1001\n1001")?;
    let call = program.run_with(&["--user", "1000"], &["id", "-u"]);
    call.end()?.exits(0)?.prints("1000")?;
    Ok(())
}

fn the_user_has_no_capabilities(program: &Program) -> Result<()> {
    let none = ["CapPrm", "CapEff", "CapInh", "CapAmb"].map(|set| (set, 0));
    has_no_more_than(program, &["--user", "1000"], &none)
}

fn passes_signals_on_to_the_user(program: &Program) -> Result<()> {
    let script = "trap 'echo stopped; exit 5' TERM; echo started; while :; do sleep 0.01; done";
    let call = program.run_with(&["--user", "1000"], &["sh", "-c", script]);
    let running = call.started()?;
    running
        .end_with(Signal::SIGTERM)?
        .exits(5)?
        .prints("stopped")?;
    Ok(())
}

fn leaves_no_process_of_the_user_behind(program: &Program) -> Result<()> {
    let script = "sleep 1000 & echo started; wait";
    let call = program.run_with(&["--user", "1000"], &["sh", "-c", script]);
    let running = call.started()?;
    running.end_with(Signal::SIGKILL)?.exits(137)?;
    let host = &program.host;
    host.expect_no_process_left("the container to end with `run`, which got SIGKILL")
}

fn gives_the_rest_to_the_command(program: &Program) -> Result<()> {
    let call = program.run_with(&["--user", "1000", "--"], &["echo", "--user", "1"]);
    call.end()?.exits(0)?.prints("--user 1")?;
    Ok(())
}

fn refuses_what_is_no_user(program: &Program) -> Result<()> {
    for options in [
        &["--user"][..],
        &["--user", "1000:"],
        &["--user", "1:2:3"],
        &["--user", "-1"],
        &["--colour", "blue"],
    ] {
        program
            .run_with(options, EXECUTED)
            .end()?
            .is_wrong_usage()?;
    }
    Ok(())
}

/// Fails if a set of capabilities has one that is not in the mask beside it.
fn has_no_more_than(program: &Program, options: &[&str], sets: &[(&str, u64)]) -> Result<()> {
    let command = ["sh", "-c", STATUS, "sh", "Cap*"];
    let ended = program.run_with(options, &command).end()?;
    ended.exits(0)?;
    for (name, most) in sets {
        let mut lines = ended.stdout.lines();
        let seen = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let seen = seen.with_context(|| format!("find {name} in /proc/self/status"))?;
        let seen = u64::from_str_radix(seen, 16).with_context(|| format!("read {name}"))?;
        let bits = 0..u64::BITS;
        let more: Vec<u32> = bits.filter(|bit| seen & !most & (1 << bit) != 0).collect();
        let what = format!("in {name} no bit outside {most:016x}, and so none of {more:?}");
        ended.expected(&what, more.is_empty())?;
    }
    Ok(())
}

/// Prints what the command's status says of the names that fit a pattern.
const STATUS: &str = "while read -r name value; do
        case $name in $1) echo \"$name $value\" ;; esac
    done </proc/self/status";
