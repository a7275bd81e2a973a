//! What only our own answers to the exercises show: what they do with input that no page asks
//! another's program for, and when things go wrong.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::thread;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::scaled;
use crate::program::Program;

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

/// Answers with a gate: `run` is killed while `child` is held up at one system call or another.
pub fn never_outlives_run(program: &Program, answer: &str, calls: &[&str]) -> Result<()> {
    let answer = program.step.with_file_name(answer);
    for call in calls {
        let delay = format!("inject={call}:delay_enter=400000");
        let strace = [
            "strace",
            "--quiet=all",
            "-f",
            "-o",
            "/dev/null",
            "-e",
            &delay,
        ];
        let sleep = program.run(&["sleep", "4711"]).at(answer.clone());
        let mut running = sleep.with_prefix(&strace).start()?;
        let tracer = running.pid();
        let run = running.wait_until("`run`, which strace has started", |_| {
            // strace also has children that are only to find out what it can do.
            let is_run = |pid: &i32| {
                let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                words.starts_with(answer.as_os_str().as_bytes())
                    && program.host.parent_of(*pid).is_ok_and(|p| p == tracer)
            };
            Ok(program.host.processes().into_iter().find(is_run))
        })?;
        thread::sleep(scaled(250));
        kill(Pid::from_raw(run), Signal::SIGKILL).context("kill `run`")?;
        let left = running.wait_until("an end of all that was started", |running| {
            let all = program.host.processes();
            Ok(all.iter().all(|pid| *pid == running.pid()).then_some(()))
        });
        left.with_context(|| format!("`run` was killed, and `child` slow in {call}"))?;
    }
    Ok(())
}

/// Answers that close what they have inherited: a folder they cannot close, they refuse.
pub fn refuses_a_folder_as_standard_input(program: &Program, answer: &str) -> Result<()> {
    let open = ["sh", "-c", "exec </ && exec \"$@\"", "sh"];
    let call = program
        .run_shell("ls /proc/self/fd/0/home")
        .with_prefix(&open);
    let ended = call.at(program.step.with_file_name(answer)).end()?;
    ended.exits(125)?.complains(&["descriptor 0", "folder"])?;
    Ok(())
}

/// Answers that tell something beside the command: if that cannot be written, the command
/// goes on, and the exit status is its own.
pub fn ends_as_the_command_if_nobody_can_be_told(
    program: &Program,
    answer: &str,
    options: &[&str],
) -> Result<()> {
    let full = ["sh", "-c", "exec 2>/dev/full && exec \"$@\"", "sh"];
    for (command, code) in [("true", 0), ("/no/such", 127), ("/etc", 126), ("false", 1)] {
        let call = program.run_with(options, &[command]).with_prefix(&full);
        let ended = call.at(program.step.with_file_name(answer)).end()?;
        ended.exits(code)?;
    }
    Ok(())
}
