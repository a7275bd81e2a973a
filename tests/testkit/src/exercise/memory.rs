//! After step 8: so much memory, and so much of the processors.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::failure::{Failure, expect};
use kernelfiles::cgroup::words;
use kernelfiles::process;
use nix::sys::signal::Signal;

use crate::check::{Check, checks};
use crate::patience::until;
use crate::program::{EXECUTED, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    kills_a_greedy_process,
    counts_the_kill,
    allows_no_swap,
    gives_half_a_processor,
    still_allows_20_processes,
    leaves_no_cgroup,
    gives_the_rest_to_the_command,
    refuses_what_is_no_limit,
];

/// Reads 200 MiB of zeros into its memory, and ends: it cannot hurt a machine.
const GREEDY: &str = "dd if=/dev/zero of=/dev/null bs=200M count=1";

const MEMORY: &[&str] = &["--memory", "64M"];

/// The file with the limit, in version 2 and in version 1.
const MEMORY_FILES: [&str; 2] = ["memory.max", "memory.limit_in_bytes"];

const CPUS: &[&str] = &["--cpus", "0.5"];

const CPU_FILES: [&str; 2] = ["cpu.max", "cpu.cfs_quota_us"];

fn kills_a_greedy_process(program: &Program) -> Result<()> {
    if lacks(program, MEMORY_FILES) {
        return refuses(program, MEMORY);
    }
    let greedy: Vec<&str> = GREEDY.split(' ').collect();
    program.run_with(MEMORY, &greedy).end()?.exits(137)?;
    // And only what is greedy.
    let call = program.run_with(&["--memory", "1G"], &greedy);
    call.end()?.exits(0)?;
    Ok(())
}

fn counts_the_kill(program: &Program) -> Result<()> {
    if lacks(program, MEMORY_FILES) {
        return refuses(program, MEMORY);
    }
    let script = format!("{GREEDY}; echo $?; exec sleep 1000");
    let mut running = program.run_with(MEMORY, &["sh", "-c", &script]).start()?;
    running.wait_for("137")?;
    let cgroup = cgroup_of(program, &["sleep", "1000"], MEMORY_FILES)?;
    until("an oom_kill in the counter of the cgroup", || {
        let files = ["memory.events", "memory.oom_control"];
        let words = files.map(|file| words(&cgroup, file)).concat();
        words
            .windows(2)
            .any(|it| it[0] == "oom_kill" && it[1] != "0")
    })
}

fn allows_no_swap(program: &Program) -> Result<()> {
    if lacks(program, MEMORY_FILES) {
        return refuses(program, MEMORY);
    }
    let _running = program.run_with(MEMORY, &["sleep", "1000"]).start()?;
    let cgroup = cgroup_of(program, &["sleep", "1000"], MEMORY_FILES)?;
    let read = |file: &str| fs::read_to_string(cgroup.join(file)).ok();
    let limits = [read("memory.swap.max"), read("memory.memsw.limit_in_bytes")];
    let [swap, sum] = limits.map(|limit| limit.map(|text| text.trim_end().to_owned()));
    let swappiness = read("memory.swappiness").unwrap_or_default();
    // A kernel that does not count swap has neither file, but in version 1 the last one.
    let holds = match (&swap, &sum) {
        (Some(swap), _) => swap == "0",
        (_, Some(sum)) => *sum == (64 << 20).to_string(),
        _ => swappiness.is_empty() || swappiness == "0\n",
    };
    let what = format!(
        "a limit on swap too: 0 in memory.swap.max (version 2), or {} in \
         memory.memsw.limit_in_bytes (version 1), or without these files 0 in \
         memory.swappiness",
        64 << 20
    );
    let place = cgroup.display();
    expect(
        holds,
        what,
        format_args!("{swap:?}, {sum:?}, {swappiness:?} in {place}"),
    )
}

fn gives_half_a_processor(program: &Program) -> Result<()> {
    if lacks(program, CPU_FILES) {
        return refuses(program, CPUS);
    }
    let busy = ["sh", "-c", "while :; do :; done"];
    let _running = program.run_with(CPUS, &busy).start()?;
    let cgroup = cgroup_of(program, &busy, CPU_FILES)?;
    let share = share_of_a_second(program.host.find_process(&busy)?)?;
    let quota = quota(&cgroup).unwrap_or(f64::NAN);
    // A machine that has other work gives it less, so that the share alone says too little.
    // What is over lies in a period that began before the second, or ended after it.
    let place = cgroup.display();
    expect(
        share < 0.62 && (0.49..0.51).contains(&quota),
        "0.5 of a processor, or less on a busy machine, by a quota of 0.5",
        format_args!("{share:.2} of a processor, and a quota of {quota} in {place}"),
    )
}

/// How much of a processor's time a cgroup may use: `QUOTA PERIOD` in version 2.
fn quota(cgroup: &Path) -> Option<f64> {
    let files = ["cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"];
    let words = files.map(|file| words(cgroup, file)).concat();
    let [quota, period, ..] = &words[..] else {
        return None;
    };
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// How much of a processor's time a process gets.
fn share_of_a_second(pid: i32) -> Result<f64> {
    let (start, before) = (Instant::now(), processor_time(pid)?);
    thread::sleep(Duration::from_secs(1));
    let used = processor_time(pid)? - before;
    Ok(used / start.elapsed().as_secs_f64())
}

/// The seconds that a process has been running, in user space and in the kernel.
fn processor_time(pid: i32) -> Result<f64> {
    let stat = process::stat(pid)?;
    // In hundredths of a second.
    let ticks = [14, 15].map(|number| stat.field(number).parse::<f64>());
    let ticks = ticks.into_iter().sum::<Result<f64, _>>();
    Ok(ticks.context("read a number of ticks")? / 100.0)
}

fn still_allows_20_processes(program: &Program) -> Result<()> {
    if lacks(program, MEMORY_FILES) || lacks(program, CPU_FILES) {
        return refuses(program, &[MEMORY, CPUS].concat());
    }
    let call = program.run_with(&[MEMORY, CPUS].concat(), &["sleep", "1000"]);
    let _running = call.start()?;
    let cgroup = cgroup_of(program, &["sleep", "1000"], ["pids.max", "pids.max"])?;
    let max = fs::read_to_string(cgroup.join("pids.max")).context("read pids.max")?;
    let seen = format!("{max:?} in {}", cgroup.display());
    expect(max == "20\n", "20 in pids.max", seen)
}

fn leaves_no_cgroup(program: &Program) -> Result<()> {
    let limits = [MEMORY, CPUS].concat();
    if lacks(program, MEMORY_FILES) || lacks(program, CPU_FILES) {
        return refuses(program, &limits);
    }
    program.run_with(&limits, &["true"]).end()?.exits(0)?;
    program.host.expect_nothing_left()?;
    let greedy: Vec<&str> = GREEDY.split(' ').collect();
    program.run_with(&limits, &greedy).end()?.exits(137)?;
    program.host.expect_nothing_left()?;
    let script = "echo started; sleep 1000";
    let running = program.run_with(&limits, &["sh", "-c", script]).started()?;
    running.end_with(Signal::SIGTERM)?.exits(143)?;
    program.host.expect_nothing_left()
}

fn gives_the_rest_to_the_command(program: &Program) -> Result<()> {
    let echo = ["--", "echo", "--memory", "64M"];
    program.run(&echo).end()?.exits(0)?.prints("--memory 64M")?;
    Ok(())
}

fn refuses_what_is_no_limit(program: &Program) -> Result<()> {
    for options in [
        &["--memory"][..],
        &["--memory", "much"],
        &["--memory", "0"],
        &["--memory", "99999999999G"],
        &["--cpus"],
        &["--cpus", "0"],
        &["--cpus", "-1"],
        &["--cpus", "NaN"],
        &["--colour", "blue"],
    ] {
        program
            .run_with(options, EXECUTED)
            .end()?
            .is_wrong_usage()?;
    }
    Ok(())
}

/// Whether this kernel cannot limit it: since 6.12 most have no memory controller of
/// version 1.
fn lacks(program: &Program, files: [&str; 2]) -> bool {
    !files.iter().any(|file| program.host.has_cgroups_with(file))
}

/// What cannot be had must not be left out in silence.
fn refuses(program: &Program, limits: &[&str]) -> Result<()> {
    let ended = program.run_with(limits, EXECUTED).end()?;
    ended.exits(125)?.does_not_panic()?.has_executed_nothing()?;
    program.host.expect_nothing_left()
}

/// The cgroup that a process is in, in the hierarchy that has one of these files.
fn cgroup_of(program: &Program, argv: &[&str], files: [&str; 2]) -> Result<PathBuf> {
    let pid = program.host.find_process(argv)?;
    let cgroups = program.host.cgroups().into_iter();
    let mut cgroups = cgroups.filter(|cgroup| files.iter().any(|file| cgroup.join(file).exists()));
    let pid = pid.to_string();
    let found = cgroups.find(|cgroup| words(cgroup, "cgroup.procs").contains(&pid));
    found.ok_or_else(|| {
        let (argv, [second, first]) = (argv.join(" "), files);
        let what = format!("`{argv}` in a cgroup with {second} (version 2) or {first} (version 1)");
        Failure::new(what, "none").into()
    })
}
