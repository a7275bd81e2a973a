//! What a container costs: from calling `step08-cgroup run true` to its end, beside others
//! that do the same, in the same minutes and on the same root filesystem.
//!
//! Run it from the workspace's top, as root, on a machine that does nothing else:
//!
//! ```text
//! apt-get install --no-install-recommends gcc hyperfine musl-tools strace     # it takes these
//! rustup target add x86_64-unknown-linux-musl     # and this
//! apt-get install --no-install-recommends bubblewrap crun runc     # if here, timed
//! cargo bench -p bench
//! cargo bench -p bench -- --page     # also writes book/generated/cost.md
//! ```
//!
//! - Everything is measured against `limit.c`: the same system calls, and little else.
//! - Each program first shows from within its container what it does (`programs.rs`).
//! - hyperfine times them in many short rounds, A B C A B C, so that what disturbs the
//!   machine disturbs all alike. It stops at the first exit status that is not 0.
//! - What takes cgroups of version 2 is measured in a machine of `tests/vm`, if this one counts
//!   processes in version 1. What is slow there is not slow here, so that only ratios count.
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
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid};

use crate::programs::{OCI_ID, Program};
use crate::report::{Call, Crowd, Report, Times};

mod programs;
mod report;

/// 300 starts of each program, in rounds so short that all see the same machine.
const ROUNDS: usize = 30;
const RUNS: &str = "10";

/// As so many runs the rounds count, in each of which we have to be ahead.
pub const ROWS: usize = 5;

/// How many containers are started at once.
pub const CROWDS: [usize; 4] = [1, 10, 100, 1000];

/// The kernel and the layout of cgroups for what takes version 2.
const MACHINE: [&str; 2] = ["6.1", "v2"];

/// The system calls that only wait for another process: their time is that one's.
const WAITING: &[&str] = &["wait4", "rt_sigtimedwait", "recvfrom", "clone3", "vfork"];

/// Asks, in a machine, for the times after a pause alone.
const RATIOS: &str = "--ratios";

fn main() -> ExitCode {
    common::run(start)
}

fn start() -> Result<ExitCode> {
    ensure!(geteuid().is_root(), "this takes root, as a container does");
    programs::need(&["cc", "hyperfine", "musl-gcc", "strace"])?;
    // What a program leaves running becomes our child, and is found in the end.
    set_child_subreaper(true).context("become the parent of orphans")?;
    keep_mounts_private()?;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cost");
    fs::create_dir_all(&scratch).context("make the folder target/tmp/cost")?;
    env::set_current_dir(&scratch).context("change directory to target/tmp/cost")?;
    // There step 8 makes its own, and would leave it.
    let parent = cgroup::hierarchy("self", "pids")?.parent();
    let before = cgroups(&parent)?;
    // Cargo adds `--bench`, and a filter would name benches: there is but one.
    let is_asked = |option: &str| env::args().any(|arg| arg == option);
    if is_asked(RATIOS) {
        let (programs, _) = programs::provide(&parent, true)?;
        let text = report::ratios(&programs, &paused(&programs)?);
        nothing_is_left(&parent, &before)?;
        return common::print(&text);
    }
    rootfs::make(Path::new("rootfs"), &[])?;
    let report = measure(&parent)?;
    nothing_is_left(&parent, &before)?;
    let text = report.text()?;
    if is_asked("--page") {
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
    let (programs, left_out) = programs::provide(parent, false)?;
    let mut commands = Vec::new();
    for program in &programs {
        commands.push(program.command(&["true"])?.join(" "));
    }
    commands.extend(programs::by_step());
    let mut times = in_rounds(&commands)?;
    let steps = times.split_off(programs.len());
    // The limit, step 8, its answer, and step 8 as cargo builds it.
    let ours: Vec<&Program> = programs.iter().take(4).collect();
    let paused = paused(&programs)?;
    Ok(Report {
        entrances: entrances()?,
        version_2: in_version_2(parent, &programs, &paused)?,
        paused,
        crowds: crowds(&ours)?,
        weights: ours.iter().map(|it| weigh(it)).collect::<Result<_>>()?,
        calls: slowest_calls(&programs[1].command(&["true"])?)?,
        rows: times.iter().map(|times| medians(times, ROWS)).collect(),
        programs: programs
            .into_iter()
            .zip(times.into_iter().map(Times::new))
            .collect(),
        steps: steps.into_iter().map(Times::new).collect(),
        left_out,
    })
}

/// The medians of so many parts, one after the other.
fn medians(times: &[f64], parts: usize) -> Vec<f64> {
    let parts = times.chunks(times.len().div_ceil(parts));
    parts
        .map(|part| Times::new(part.to_vec()).median())
        .collect()
}

/// Times the commands by turns, and puts the rounds together.
fn in_rounds(commands: &[String]) -> Result<Vec<Vec<f64>>> {
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
    Ok(times)
}

/// Times each program, and step 7, when nothing was done for a while before it. That is what a
/// person meets.
fn paused(programs: &[Program]) -> Result<Vec<Times>> {
    let commands = programs.iter().map(|program| program.command(&["true"]));
    let commands = commands.map(|command| Ok(command?.join(" ")));
    let mut commands = commands.collect::<Result<Vec<_>>>()?;
    commands.extend(programs::by_step().pop());
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    after_a_pause(4, &commands)
}

/// What was measured after a pause, as ratios: here, if processes are counted in version 2
/// here, or else in a machine in which they are. Or why it could not be.
fn in_version_2(parent: &Path, programs: &[Program], paused: &[Times]) -> Result<String> {
    if parent.join("cgroup.controllers").exists() {
        return Ok(report::ratios(programs, paused));
    }
    progress("after a pause, in a machine with version 2");
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm/run");
    let mut machine = plain_command(&run.to_string_lossy());
    // With one processor, there is no other to wait for.
    machine.env("VM_CPUS", "2").env("VM_TIMEOUT", "3000");
    machine.args(MACHINE);
    machine.arg(env::current_exe().context("find this program")?);
    let [kernel, layout] = MACHINE;
    Ok(match output(machine.arg(RATIOS)) {
        Ok(text) => format!("In a virtual machine, Linux {kernel}, cgroups {layout}:\n\n{text}"),
        Err(error) => {
            // All that was said in there is in it, and the last is why.
            let why = format!("{error:#}");
            format!("Not measured: {}.", why.lines().last().unwrap_or_default())
        }
    })
}

/// Times how a process comes into a cgroup of version 2: it moves there, or is born there. That
/// takes no controller, and so can be measured where processes are counted in version 1.
fn entrances() -> Result<Vec<Times>> {
    progress("into a cgroup of version 2");
    let top = Path::new("cgroup2");
    fs::create_dir_all(top).context("make the folder cgroup2")?;
    let kind = Some("cgroup2");
    mount(kind, top, kind, MsFlags::empty(), None::<&str>).context("mount cgroup2")?;
    let cgroup = top.join(format!("container-{}", std::process::id()));
    fs::create_dir(&cgroup).context("make a cgroup of version 2")?;
    let commands = ["moved", "born"].map(|how| format!("./entrance {how} {}", cgroup.display()));
    let times = after_a_pause(6, &commands.each_ref().map(String::as_str));
    fs::remove_dir(&cgroup).context("remove the cgroup of version 2")?;
    times
}

/// Times the commands by turns, 10 starts of each in a round, and each when nothing was done for
/// a while before it.
fn after_a_pause(rounds: usize, commands: &[&str]) -> Result<Vec<Times>> {
    let mut times = vec![Vec::new(); commands.len()];
    for round in 1..=rounds {
        progress(&format!("after a pause, round {round} of {rounds}"));
        let results = hyperfine(&["--runs=10", "--prepare=sleep 0.1"], commands)?;
        for (times, result) in times.iter_mut().zip(results) {
            times.extend(result);
        }
    }
    Ok(times.into_iter().map(Times::new).collect())
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

/// Starts many containers at once: milliseconds for each, as medians, and the memory of each.
fn crowds(programs: &[&Program]) -> Result<Vec<Crowd>> {
    let mut crowds = Vec::new();
    for program in programs {
        let times = CROWDS.map(|_| Vec::new());
        crowds.push((program, program.command(&["true"])?, times));
    }
    for (index, count) in CROWDS.into_iter().enumerate() {
        progress(&format!("{count} at once"));
        for _ in 0..(200 / count).clamp(5, 50) {
            for (_, command, times) in &mut crowds {
                times[index].push(at_once(command, count)?);
            }
        }
    }
    let crowds = crowds.into_iter().map(|(program, _, times)| {
        Ok(Crowd {
            name: program.name,
            times: times.map(|times| Times::new(times).median()),
            memory: memory_of_each(program)?,
        })
    });
    crowds.collect()
}

/// KiB that this machine has less when there are many containers, for each of them: what is
/// shared counts once, and what the kernel keeps counts too.
fn memory_of_each(program: &Program) -> Result<f64> {
    let count = CROWDS[CROWDS.len() - 1];
    progress(&format!("memory of {count}: {}", program.name));
    let command = program.command(&["sleep", "1000"])?;
    let before = available()?;
    let mut runs = (0..count).map(|_| quiet(&command).spawn());
    let mut runs = runs
        .by_ref()
        .collect::<io::Result<Vec<Child>>>()
        .with_context(|| format!("execute {}", command[0]))?;
    let commands: Result<Vec<i32>> = runs.iter().map(|run| sleep_below(run.id())).collect();
    let after = available();
    // None of them is left, whatever was found.
    for pid in commands.iter().flatten() {
        kill(Pid::from_raw(*pid), Signal::SIGTERM).context("end a container")?;
    }
    for run in &mut runs {
        if commands.is_err() {
            run.kill().context("end a container")?;
        }
        run.wait().context("wait for a container")?;
    }
    commands?;
    Ok(before.saturating_sub(after?) as f64 / count as f64)
}

/// KiB that this machine could give to programs.
fn available() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let line = line.context("find MemAvailable in /proc/meminfo")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// `sleep` in the container of which this is `run`, once it is there.
fn sleep_below(run: u32) -> Result<i32> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        let command = only_child(run).and_then(only_child);
        let is_sleep = |pid: &i32| process::status(pid, "Name").is_ok_and(|name| name == "sleep");
        if let Some(command) = command.filter(is_sleep) {
            return Ok(command);
        }
        thread::sleep(Duration::from_millis(5));
    }
    bail!("no process `sleep` below process {run}")
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
    let mut run = quiet(&program.command(&["sleep", "3"])?)
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
    let command = sleep_below(run)?;
    Ok((peak(run)?, peak(process::parent(command)?)?))
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
        .stdout(Stdio::null())
        // In version 1, `born-in-cgroup` says each time that it is not.
        .stderr(Stdio::null());
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
