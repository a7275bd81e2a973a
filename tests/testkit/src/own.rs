//! What several of our own steps show and another's program need not: how they announce
//! themselves, and the word `child`.

use std::fs;
use std::os::unix::fs::symlink;
use std::process;

use anyhow::{Context, Result};

use crate::program::Program;

/// From step 4 on: `child` is for `run` to start.
pub fn refuses_child_by_hand(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = program.call(&["child", "echo", "executed"]).end()?;
    ended.exits(125)?.complains(&["child", "run"])?;
    ended.expected("nothing on standard output", ended.stdout.is_empty())?;
    program.host.expect_nothing_left()?;
    program.host.expect_unchanged(&before)
}

/// From step 4 on: what `run` tells `child` in the environment does not reach the command.
pub fn hides_its_marks_from_the_command(program: &Program) -> Result<()> {
    let ended = program.run(&["env"]).end()?;
    let is_ours = |line: &&str| line.starts_with("STARTED_BY_RUN=") || line.starts_with("CGROUP_");
    let holds = ended.stdout.lines().find(is_ours).is_none();
    ended.exits(0)?.expected("none of our variables", holds)?;
    Ok(())
}

/// Steps 4 and 5: `ps` reads the host's /proc, where this very test is a process.
pub fn sees_the_processes_of_the_host(program: &Program) -> Result<()> {
    let pid = process::id().to_string();
    let ended = program.run(&["ps", "-p", &pid, "-o", "pid="]).end()?;
    let holds = ended.last_line().trim() == pid;
    ended
        .exits(0)?
        .expected(&format!("process {pid} in the output of ps"), holds)?;
    Ok(())
}

/// Steps 2 and 3: one line before the command's own.
pub fn announces_the_command(program: &Program) -> Result<()> {
    let ended = program.run(&["echo", "Hello,", "world"]).end()?;
    ended
        .exits(0)?
        .prints_only("Running [echo Hello, world]\nHello, world")?;
    Ok(())
}

/// From step 5 on: two lines, with the PID of `run` and that of `child`.
pub fn announces_pids(program: &Program) -> Result<()> {
    let running = program.run(&["echo", "hello"]).start()?;
    let pid = running.pid();
    let lines = format!("Running [echo hello] as {pid}\nRunning in child [echo hello] as 1\nhello");
    running.end()?.exits(0)?.prints_only(&lines)?;
    Ok(())
}

/// From step 5 on: `child` is PID 1, and what it starts is the next.
pub fn starts_the_command_as_pid_2(program: &Program) -> Result<()> {
    program.run_shell("echo $$").end()?.exits(0)?.prints("2")?;
    Ok(())
}

/// Answers whose root filesystem may be the root that they have.
pub fn takes_the_hosts_root(program: &Program, answer: &str, options: &[&str]) -> Result<()> {
    let answer = program.step.with_file_name(answer);
    let call = program.run_with(options, &["sh", "-c", "cd /.. && pwd && ls -d usr"]);
    let ended = call.at(answer).with_env("ROOTFS", "/").end()?;
    ended.exits(0)?.prints("/\nusr")?;
    program.host.expect_nothing_left()
}

/// Answers that mount something in the root filesystem: where that has a link, it would land
/// elsewhere, or on top of `/`, where nobody sees it.
pub fn refuses_a_link_to_mount_on(program: &Program, answer: &str, folders: &[&str]) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    let moved = rootfs.join("moved");
    for folder in folders {
        let place = rootfs.join(folder);
        fs::rename(&place, &moved).context("make room")?;
        for target in ["/", ".", "../tmp", "/dev", "dev/shm", "/usr"] {
            symlink(target, &place).context("make a link")?;
            let call = program.run(&["ls"]).with_env("ROOTFS", &rootfs);
            let ended = call.at(program.step.with_file_name(answer)).end()?;
            let path = format!("/{folder}");
            ended
                .exits(125)?
                .complains(&[&path, "link", "make it a folder"])?;
            fs::remove_file(&place).context("make room")?;
        }
        fs::rename(&moved, &place).context("move a folder back")?;
    }
    program.host.expect_nothing_left()
}
