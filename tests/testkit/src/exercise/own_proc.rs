//! After step 7: an own /proc without a root filesystem of one's own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use contract::failure::expect;
use kernelfiles::mountinfo::{self, Mount};
use nix::sys::signal::Signal;

use crate::check::{Check, checks};
use crate::program::{Program, STARTED};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    has_the_hosts_root,
    shows_the_container_only_to_ps,
    leaves_no_other_proc_beneath,
    leaves_the_hosts_proc_untouched,
];

fn has_the_hosts_root(program: &Program) -> Result<()> {
    let file = program.host.folder.path().join("on-the-host");
    fs::write(&file, "a file of the host\n").context("write a file")?;
    let call = program.run(&["cat", &file.to_string_lossy()]);
    call.end()?.exits(0)?.prints("a file of the host")?;
    Ok(())
}

fn shows_the_container_only_to_ps(program: &Program) -> Result<()> {
    let ended = program.run(&["ps", "-e", "-o", "pid="]).end()?;
    let lines = ended.stdout.lines().map(str::trim);
    let pids: Vec<&str> = lines.filter(|line| line.parse::<u32>().is_ok()).collect();
    // ps, and one that started it if there is one.
    let holds = pids.contains(&"1") && pids.len() <= 2;
    let what = "1, and no more than one other PID, as all that ps shows";
    ended.exits(0)?.expected(what, holds)?;
    Ok(())
}

fn leaves_no_other_proc_beneath(program: &Program) -> Result<()> {
    let on_proc = |mount: &&Mount| mount.point == Path::new("/proc");
    let mounts = mountinfo::read("/proc/thread-self/mountinfo")?;
    let most = mounts.iter().filter(on_proc).count();
    let ended = program.run(&["cat", "/proc/self/mountinfo"]).end()?;
    let seen = mountinfo::parse(ended.stdout.as_bytes());
    let count = seen.iter().filter(on_proc).count();
    let what = format!("{most} mount on /proc, as on the host, and not {count}");
    ended.exits(0)?.expected(&what, count <= most)?;
    Ok(())
}

fn leaves_the_hosts_proc_untouched(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let running = program.run_shell(STARTED).started()?;
    expect_the_hosts_proc()?;
    program.host.expect_unchanged(&before)?;
    running.end_with(Signal::SIGTERM)?;
    expect_the_hosts_proc()?;
    program.host.expect_unchanged(&before)
}

/// Fails unless the /proc of the host shows this very thread.
fn expect_the_hosts_proc() -> Result<()> {
    let holds = Path::new("/proc/thread-self").exists();
    let seen = "one that is empty, or the container's";
    expect(holds, "the host's /proc as it was", seen)
}
