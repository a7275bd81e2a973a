//! What only step 8 shows. What it teaches, and every later step keeps, is asked by the
//! testkit: `tests/testkit/src/lesson.rs` and `dependable.rs`.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use testkit::own::{
    announces_pids, hides_its_marks_from_the_command, refuses_a_link_to_mount_on,
    refuses_child_by_hand, starts_the_command_as_pid_2, takes_the_hosts_root,
};
use testkit::program::Program;

fn main() -> ExitCode {
    testkit::suite!(8, "step08-cgroup", own: [
        announces_pids,
        starts_the_command_as_pid_2,
        refuses_child_by_hand,
        hides_its_marks_from_the_command,
        has_child_and_the_command_in_its_cgroup,
        shares_its_cgroup_with_nobody,
        is_not_disturbed_by_a_cgroup_that_sigkill_left,
        mydocker_takes_the_hosts_root,
        mydocker_refuses_a_link_to_mount_on,
    ], exercises: [
        "memory": wrong [
            "memory-after-the-start" fails "kills_a_greedy_process",
            "memory-with-swap" fails "allows_no_swap",
        ],
        "capabilities": wrong [
            "capabilities-unbounded" fails "root_has_no_more_than_docker_gives",
            "capabilities-of-the-groups" fails "becomes_the_user",
        ],
        "seccomp": wrong [
            "seccomp-without-an-errno" fails "refuses_mount",
        ],
        "mydocker": wrong [
            "mydocker-eats-the-dashes" fails "takes_the_command_line_of_the_third_seed",
            "mydocker-cgroup-too-early" fails "has_a_cgroup_namespace",
        ],
    ])
}

fn has_child_and_the_command_in_its_cgroup(program: &Program) -> Result<()> {
    let running = program.run(&["sleep", "1000"]).start()?;
    let command = program.host.find_process(&["sleep", "1000"])?;
    let cgroup = program.host.cgroup_of(command)?;
    let procs = fs::read_to_string(cgroup.join("cgroup.procs")).context("read cgroup.procs")?;
    let pids: Vec<i32> = procs
        .lines()
        .map(|pid| Ok(pid.parse()?))
        .collect::<Result<_>>()?;
    ensure!(
        pids.len() == 2 && pids.contains(&command) && !pids.contains(&running.pid()),
        "expected: `child` and the command, process {command}, and not `run`\nseen:     {pids:?}"
    );
    Ok(())
}

fn shares_its_cgroup_with_nobody(program: &Program) -> Result<()> {
    let _one = program.run(&["sleep", "1001"]).start()?;
    let _other = program.run(&["sleep", "1002"]).start()?;
    program.host.find_process(&["sleep", "1001"])?;
    program.host.find_process(&["sleep", "1002"])?;
    let cgroups = program.host.cgroups();
    ensure!(
        cgroups.len() == 2,
        "expected: two cgroups\nseen:     {cgroups:?}"
    );
    Ok(())
}

fn is_not_disturbed_by_a_cgroup_that_sigkill_left(program: &Program) -> Result<()> {
    let mut running = program.run_shell("echo started; exec sleep 1000").start()?;
    running.wait_for("started")?;
    running.signal(Signal::SIGKILL)?;
    running.end()?.exits(137)?;
    program
        .run(&["echo", "hello"])
        .end()?
        .exits(0)?
        .prints("hello")?;
    let cgroups = program.host.cgroups();
    ensure!(
        cgroups.len() == 1,
        "expected: the cgroup that nobody was left to remove, and no other\nseen:     {cgroups:?}"
    );
    Ok(())
}

fn mydocker_takes_the_hosts_root(program: &Program) -> Result<()> {
    takes_the_hosts_root(program, "mydocker", &[])?;
    takes_the_hosts_root(program, "mydocker", &["--overlay"])
}

fn mydocker_refuses_a_link_to_mount_on(program: &Program) -> Result<()> {
    refuses_a_link_to_mount_on(program, "mydocker", &["proc", "dev", "tmp"])
}
