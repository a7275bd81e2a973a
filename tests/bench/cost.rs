//! What a container costs: from calling `step08-cgroup run true` to its end, beside others
//! that do the same, in the same minutes and on the same root filesystem.
//!
//! Run it from the workspace's top, as root, on a machine that does nothing else:
//!
//! ```text
//! apt-get install --no-install-recommends gcc hyperfine strace     # it takes these
//! apt-get install --no-install-recommends bubblewrap crun runc musl-tools     # if here, timed
//! cargo bench -p bench
//! cargo bench -p bench -- --page     # also writes book/generated/cost.md
//! ```
//!
//! - Everything is measured against `limit.c`: the same system calls, and little else.
//! - Each program first shows from within its container what it does (`programs.rs`).
//! - hyperfine times them in many short rounds, A B C A B C, so that what disturbs the
//!   machine disturbs all alike. It stops at the first exit status that is not 0.
//! - In the end no cgroup and no process may be left.
//!
//! What it makes is in `target/static` and `target/tmp/cost`, and stays there: the commands
//! that the page names can be tried by hand.

use std::collections::HashMap;
use std::env;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kernelfiles::{cgroup, process};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid};

use crate::programs::{OCI_ID, Program};
use crate::report::{Call, Report, Times};

mod programs;
mod report;

/// 300 starts of each program, in rounds so short that all see the same machine.
const ROUNDS: usize = 30;
const RUNS: &str = "10";

/// How many containers are started at once.
pub const CROWDS: [usize; 4] = [1, 10, 100, 500];

/// The system calls that only wait for another process: their time is that one's.
const WAITING: &[&str] = &["wait4", "rt_sigtimedwait", "recvfrom", "clone3", "vfork"];

fn main() -> ExitCode {
    common::run(start)
}

fn start() -> Result<ExitCode> {
    ensure!(geteuid().is_root(), "this takes root, as a container does");
    programs::need(&["cc", "hyperfine", "strace"])?;
    // What a program leaves running becomes our child, and is found in the end.
    set_child_subreaper(true).context("become the parent of orphans")?;
    keep_mounts_private()?;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cost");
    fs::create_dir_all(&scratch).context("make the folder target/tmp/cost")?;
    env::set_current_dir(&scratch).context("change directory to target/tmp/cost")?;
    rootfs::make(Path::new("rootfs"), &[])?;
    // There step 8 makes its own, and would leave it.
    let parent = cgroup::hierarchy("self", "pids")?.parent();
    let before = cgroups(&parent)?;
    let report = measure(&parent)?;
    nothing_is_left(&parent, &before)?;
    let text = report.text()?;
    // Cargo adds `--bench`, and a filter would name benches: there is but one.
    if env::args().any(|arg| arg == "--page") {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/generated/cost.md");
        common::write_whole(&page, &text).context("write cost.md")?;
    }
    common::print(&text)
}

/// Goes into a mount namespace, so that nothing that is mounted here reaches the host.
///
/// Where cgroups of version 2 are mounted beside those of version 1, crun refuses to work.
/// They have no controllers there, so here they are unmounted, for all programs alike.
fn keep_mounts_private() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("unshare the mount namespace")?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).context("make / private")?;
    let beside = Path::new("/sys/fs/cgroup/unified");
    if beside.exists() {
        umount2(beside, MntFlags::empty()).context("unmount /sys/fs/cgroup/unified")?;
    }
    Ok(())
}

fn measure(parent: &Path) -> Result<Report> {
    progress("build");
    let (programs, left_out) = programs::provide(parent)?;
    let mut commands = Vec::new();
    for program in &programs {
        commands.push(program.command(&["true"])?.join(" "));
    }
    commands.extend(programs::by_step());
    let mut times = in_rounds(&commands)?;
    let steps = times.split_off(programs.len());
    // The limit, and step 8 built in two ways.
    let [limit, fast, plain] = [0, 1, 2].map(|index| &programs[index]);
    let ours = [limit, fast, plain];
    Ok(Report {
        paused: paused(&[&commands[0], &commands[programs.len() + 6], &commands[1]])?,
        crowds: crowds(&ours)?,
        weights: ours.into_iter().map(weigh).collect::<Result<_>>()?,
        calls: slowest_calls(&fast.command(&["true"])?)?,
        programs: programs.into_iter().zip(times).collect(),
        steps,
        left_out,
    })
}

/// Times the commands by turns, and puts the rounds together.
fn in_rounds(commands: &[String]) -> Result<Vec<Times>> {
    let mut times = vec![Vec::new(); commands.len()];
    for round in 0..ROUNDS {
        progress(&format!("round {} of {ROUNDS}", round + 1));
        // Each round begins with another, lest one always follows the same neighbour.
        let turn = commands.iter().cycle().skip(round % commands.len());
        let turn: Vec<&str> = turn.take(commands.len()).map(String::as_str).collect();
        let mut results = hyperfine(&["--warmup=1", "--runs", RUNS], &turn)?;
        results.rotate_right(round % commands.len());
        for (times, result) in times.iter_mut().zip(results) {
            times.extend(result);
        }
    }
    Ok(times.into_iter().map(Times::new).collect())
}

/// Times each command when nothing was done for a while before it.
fn paused(commands: &[&str]) -> Result<Vec<Times>> {
    progress("after a pause");
    let results = hyperfine(&["--runs=40", "--prepare=sleep 0.1"], commands)?;
    Ok(results.into_iter().map(Times::new).collect())
}

/// Calls hyperfine, and returns the times of each command in milliseconds.
fn hyperfine(options: &[&str], commands: &[&str]) -> Result<Vec<Vec<f64>>> {
    let all = ["--shell=none", "--style=none", "--export-json=times.json"];
    output(plain_command("hyperfine").args([&all, options, commands].concat()))?;
    let text = fs::read("times.json").context("read what hyperfine has measured")?;
    let json: serde_json::Value = serde_json::from_slice(&text).context("parse times.json")?;
    let results = json["results"].as_array().context("find the results")?;
    let times = results.iter().map(|result| {
        let times = result["times"].as_array().context("find the times")?;
        let seconds = times.iter().filter_map(serde_json::Value::as_f64);
        Ok(seconds.map(|seconds| seconds * 1e3).collect())
    });
    times.collect()
}

/// Starts many containers at once, and returns milliseconds per container: medians.
fn crowds(programs: &[&Program]) -> Result<Vec<(&'static str, [f64; 4])>> {
    let mut crowds = Vec::new();
    for program in programs {
        let times = CROWDS.map(|_| Vec::new());
        crowds.push((program.name, program.command(&["true"])?, times));
    }
    for (index, count) in CROWDS.into_iter().enumerate() {
        progress(&format!("{count} at once"));
        for _ in 0..(200 / count).clamp(7, 50) {
            for (_, command, times) in &mut crowds {
                times[index].push(at_once(command, count)?);
            }
        }
    }
    let medians = |times: [Vec<f64>; 4]| times.map(|times| Times::new(times).median());
    let crowds = crowds.into_iter();
    Ok(crowds
        .map(|(name, _, times)| (name, medians(times)))
        .collect())
}

fn at_once(command: &[String], count: usize) -> Result<f64> {
    let start = Instant::now();
    let children: Vec<Child> = (0..count)
        .map(|_| quiet(command).spawn())
        .collect::<io::Result<_>>()
        .with_context(|| format!("execute {}", command[0]))?;
    let mut failed = 0;
    for mut child in children {
        let status = child.wait().context("wait for a container")?;
        failed += usize::from(!status.success());
    }
    let each = start.elapsed().as_secs_f64() * 1e3 / count as f64;
    let name = &command[0];
    ensure!(
        failed == 0,
        "{failed} of {count} containers at once failed: {name}"
    );
    Ok(each)
}

/// Looks at the processes of one container while a command runs in it, and at one start: the
/// program, peak memory of `run` and `child`, page faults and system calls.
fn weigh(program: &Program) -> Result<String> {
    let faults_before = faults()?;
    let command = program.command(&["true"])?;
    let status = quiet(&command).status().context("start a container")?;
    ensure!(status.success(), "{} failed: {status}", program.name);
    let faults = faults()? - faults_before;
    let calls: u64 = trace(&command)?.values().map(|(calls, _)| calls).sum();
    let mut run = quiet(&program.command(&["sleep", "1"])?)
        .spawn()
        .context("start a container with sleep in it")?;
    let memory = peaks(run.id());
    // By itself, so that nothing of it is left, whatever was found.
    run.wait()
        .context("wait for the container with sleep in it")?;
    let (run, child) = memory?;
    let name = program.name;
    Ok(format!(
        "{name} | {run} KiB | {child} KiB | {faults} | {calls}"
    ))
}

/// The greatest resident memory so far, in KiB, of `run` and `child`, once `sleep` runs.
fn peaks(run: u32) -> Result<(u64, u64)> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(900) {
        let child = only_child(run);
        let command = child.and_then(only_child);
        let name = command.and_then(|pid| process::status(pid, "Name").ok());
        if let (Some(child), Some("sleep")) = (child, name.as_deref()) {
            return Ok((peak(run)?, peak(child)?));
        }
        thread::sleep(Duration::from_millis(5));
    }
    bail!("no process `sleep` below process {run}")
}

fn only_child(pid: impl Display) -> Option<i32> {
    let [child] = process::children(pid).ok()?[..] else {
        return None;
    };
    Some(child)
}

fn peak(pid: impl Display) -> Result<u64> {
    let peak = process::status(pid, "VmHWM")?;
    Ok(peak.trim_end_matches(" kB").parse()?)
}

/// The page faults, without those that read a disk, of all children that have ended.
fn faults() -> Result<u64> {
    const CMINFLT: usize = 11;
    Ok(process::stat("self")?.field(CMINFLT).parse()?)
}

/// The system calls of one start: how many of each, and milliseconds in them.
fn trace(command: &[String]) -> Result<HashMap<String, (u64, f64)>> {
    let strace = ["strace", "-f", "-c", "-w", "-o", "calls"].map(String::from);
    let status = quiet(&[&strace, command].concat()).status();
    let status = status.context("execute strace")?;
    ensure!(status.success(), "strace failed: {status}");
    let table = fs::read_to_string("calls").context("read what strace has counted")?;
    // % time, seconds, usecs/call, calls, [errors,] syscall
    let calls = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let seconds: f64 = words.get(1)?.parse().ok()?;
        let name = words.last().filter(|name| **name != "total")?;
        Some(((*name).to_owned(), (words[3].parse().ok()?, seconds * 1e3)))
    });
    Ok(calls.collect())
}

/// The system calls that take longest: medians of many starts, less what strace adds to
/// each call. The cheapest call tells how much that is: it does next to nothing itself.
fn slowest_calls(command: &[String]) -> Result<Vec<Call>> {
    progress("system calls");
    let mut times: HashMap<String, (u64, Vec<f64>)> = HashMap::new();
    for _ in 0..31 {
        for (name, (count, time)) in trace(command)? {
            let entry = times.entry(name).or_default();
            entry.0 = count;
            entry.1.push(time);
        }
    }
    let mut calls: Vec<Call> = times
        .into_iter()
        .filter(|(name, _)| !WAITING.contains(&name.as_str()))
        .map(|(name, (count, times))| Call {
            name,
            count,
            time: Times::new(times).median(),
        })
        .collect();
    let cheapest = calls.iter().map(|call| call.time / call.count as f64);
    let strace = cheapest.fold(f64::INFINITY, f64::min);
    for call in &mut calls {
        call.time -= strace * call.count as f64;
    }
    calls.sort_by(|a, b| b.time.total_cmp(&a.time));
    Ok(calls)
}

fn quiet(command: &[String]) -> Command {
    let mut quiet = plain_command(&command[0]);
    quiet
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    quiet
}

/// A command in the environment of whoever calls cargo. With the LD_LIBRARY_PATH that cargo
/// adds, every `true` would look for its library in a dozen more places.
fn plain_command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("execute {name}"))?;
    let (status, errors) = (output.status, String::from_utf8_lossy(&output.stderr));
    ensure!(
        status.success(),
        "{name} failed ({status}): {}",
        errors.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The cgroups that are ours by their name.
fn cgroups(parent: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(parent).with_context(|| format!("read {}", parent.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ours = |name: &String| name.starts_with("container-") || name == OCI_ID;
    Ok(names.filter(ours).collect())
}

fn nothing_is_left(parent: &Path, before: &[String]) -> Result<()> {
    let mut left = cgroups(parent)?;
    left.retain(|name| !before.contains(name));
    let place = parent.display();
    ensure!(left.is_empty(), "cgroups are left in {place}: {left:?}");
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return Ok(()),
            Ok(WaitStatus::StillAlive) => bail!("a process is left, a child of ours"),
            // An orphan that had ended already.
            Ok(_) => {}
            Err(errno) => return Err(errno).context("look for processes that are left"),
        }
    }
}

fn progress(what: &str) {
    writeln!(io::stderr(), "{what}").ok();
}
