//! What makes a program trustworthy: exit statuses, signals, and nothing left behind. Each
//! promise is asked of the step that makes it and of all later ones.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use contract::failure::expect;
use kernelfiles::mountinfo;
use kernelfiles::process::status;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::unistd::pipe2;

use crate::check::{Promises, checks};
use crate::inherited::{
    finds_the_command_in_its_own_root, leads_nowhere_outside_by_proc,
    leaves_ignored_signals_to_the_caller, leaves_the_environment_to_the_caller,
    leaves_umask_limits_and_priorities_to_the_caller, lets_setuid_programs_work,
    opens_no_descriptor_for_the_command, starts_in_the_callers_folder,
};
use crate::patience::scaled;
use crate::program::{Call, EXECUTED, Ended, Program, STARTED};
use crate::snapshot::Snapshot;

/// All promises of this kind.
pub const ALL: &[Promises] = &[
    (
        1..=8,
        checks![
            helps_when_asked,
            refuses_a_command_line_without_run,
            reports_a_full_disk,
            reports_a_broken_pipe,
            survives_closed_standard_streams,
            keeps_its_exit_status_if_nobody_can_be_told_why,
        ],
    ),
    (
        2..=8,
        checks![
            ends_with_the_exit_status_of_the_command,
            ends_with_128_and_the_signal_that_ended_the_command,
            ends_with_127_if_there_is_no_such_command,
            ends_with_126_if_the_command_cannot_be_executed,
            ends_with_127_if_nobody_can_be_told_why,
            passes_every_argument_on_unchanged,
            leaves_the_environment_to_the_caller,
            opens_no_descriptor_for_the_command,
            leaves_umask_limits_and_priorities_to_the_caller,
            lets_setuid_programs_work,
            leaves_no_signal_blocked_in_the_command,
            leaves_sigpipe_to_the_command,
            leaves_ignored_signals_to_the_caller,
            leaves_ctrl_c_to_the_command,
            leaves_ctrl_backslash_to_the_command,
            stays_with_a_command_that_handles_ctrl_c,
            stays_with_a_command_that_handles_ctrl_backslash,
            passes_sigterm_and_sighup_on,
            ends_on_sigterm_at_any_moment,
            leaves_nothing_behind,
            serves_twenty_at_once,
        ],
    ),
    (2..=5, checks![starts_in_the_callers_folder]),
    (3..=8, checks![does_nothing_without_root]),
    (3..=7, checks![works_without_root_in_a_user_namespace]),
    (5..=8, checks![ends_what_the_command_left_running]),
    (
        6..=8,
        checks![
            does_nothing_without_a_root_filesystem,
            finds_the_command_in_its_own_root,
        ],
    ),
    (
        7..=8,
        checks![
            does_nothing_if_proc_cannot_be_mounted,
            mounts_proc_without_setuid_devices_and_programs,
            leads_nowhere_outside_by_proc,
        ],
    ),
    (
        8..=8,
        checks![
            does_nothing_if_it_cannot_make_a_cgroup,
            does_nothing_if_it_cannot_write_to_its_cgroup,
            does_nothing_if_no_cgroups_are_mounted,
        ],
    ),
];

fn helps_when_asked(program: &Program) -> Result<()> {
    let ended = program.call(&["--help"]).end()?;
    let holds = ["run", "COMMAND"]
        .iter()
        .all(|word| ended.stdout.contains(word));
    ended
        .exits(0)?
        .expected("a usage with `run` and `COMMAND` on standard output", holds)?;
    Ok(())
}

fn refuses_a_command_line_without_run(program: &Program) -> Result<()> {
    for args in [
        &[][..],
        &["run"],
        &["walk", "echo", "here"],
        &["--no-such-option"],
    ] {
        program.call(args).end()?.is_wrong_usage()?;
    }
    Ok(())
}

fn reports_a_full_disk(program: &Program) -> Result<()> {
    for call in what_prints(program)? {
        let full = File::options().write(true).open("/dev/full");
        let call = call.with_output(full.context("open /dev/full")?);
        let ended = call.end()?;
        ended
            .does_not_panic()?
            .complains(&["No space left on device"])?;
        ended.fails()?;
    }
    Ok(())
}

fn reports_a_broken_pipe(program: &Program) -> Result<()> {
    for call in what_prints(program)? {
        // The programs of other tests, which are started meanwhile, must not have it open too.
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        drop(reader);
        let ended = call.with_output(writer).end()?;
        ended.does_not_panic()?;
        ended.fails()?;
    }
    Ok(())
}

/// What lets the program print something itself, and not a command that would fail for it:
/// its help, and the lines that it may print before `true` is executed, and prints nothing.
fn what_prints(program: &Program) -> Result<Vec<Call<'_>>> {
    let mut calls = vec![program.call(&["--help"])];
    if !program.run(&["true"]).end()?.stdout.is_empty() {
        calls.push(program.run(&["true"]));
    }
    Ok(calls)
}

fn survives_closed_standard_streams(program: &Program) -> Result<()> {
    let close = ["sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"];
    let ended = program.run(&["true"]).with_prefix(&close).end()?;
    ended.exits(0)?;
    // Nobody can read why, but the exit status tells.
    program
        .call(&["run"])
        .with_prefix(&close)
        .end()?
        .exits(125)?;
    Ok(())
}

/// In front of a program: what it writes to standard error is lost, as on a full disk.
pub const UNHEARD: [&str; 4] = ["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"];

fn keeps_its_exit_status_if_nobody_can_be_told_why(program: &Program) -> Result<()> {
    program
        .call(&["run"])
        .with_prefix(&UNHEARD)
        .end()?
        .exits(125)?;
    Ok(())
}

pub(crate) fn ends_with_the_exit_status_of_the_command(program: &Program) -> Result<()> {
    for code in [0, 1, 3, 125, 255] {
        program
            .run_shell(&format!("exit {code}"))
            .end()?
            .exits(code)?;
    }
    Ok(())
}

fn ends_with_128_and_the_signal_that_ended_the_command(program: &Program) -> Result<()> {
    // 40 is a real-time signal, which has a number and no name.
    for signal in [1, 2, 6, 9, 15, 40] {
        let call = program.run(&["bash", "-c", &format!("kill -{signal} $$")]);
        call.end()?.exits(128 + signal)?;
    }
    Ok(())
}

pub(crate) fn ends_with_127_if_there_is_no_such_command(program: &Program) -> Result<()> {
    for command in ["no-such-command", "/no/such/command", ""] {
        let ended = program.run(&[command]).end()?;
        ended.exits(127)?.complains(&[command])?.does_not_panic()?;
    }
    Ok(())
}

pub(crate) fn ends_with_126_if_the_command_cannot_be_executed(program: &Program) -> Result<()> {
    // A folder and a file without the permission, on this machine and in a root filesystem.
    for command in ["/etc", "/etc/passwd"] {
        let ended = program.run(&[command]).end()?;
        ended
            .exits(126)?
            .complains(&[command, "Permission denied"])?;
    }
    Ok(())
}

fn ends_with_127_if_nobody_can_be_told_why(program: &Program) -> Result<()> {
    program
        .run(&["no-such-command"])
        .with_prefix(&UNHEARD)
        .end()?
        .exits(127)?;
    Ok(())
}

fn passes_every_argument_on_unchanged(program: &Program) -> Result<()> {
    let args: [&[u8]; 7] = [
        b"two words",
        b"",
        b"'\"\\$HOME*",
        b"--help",
        b"line\nbreak",
        b"\xff\xfe",
        b"run",
    ];
    let mut output = program.host.make_file()?;
    let mut call = program
        .run(&["sh", "-c", "printf '<%s>' \"$@\"", "sh"])
        .with_output(output.try_clone().context("share a file")?);
    for arg in args {
        call = call.with_arg(OsStr::from_bytes(arg));
    }
    let ended = call.end()?;
    let mut seen = Vec::new();
    output.rewind().context("rewind a file")?;
    output.read_to_end(&mut seen).context("read a file")?;
    let expected: Vec<u8> = args
        .iter()
        .flat_map(|arg| [b"<", *arg, b">"].concat())
        .collect();
    let holds = seen.windows(expected.len()).any(|part| part == expected);
    let [expected, seen] = [&expected, &seen].map(|bytes| String::from_utf8_lossy(bytes));
    let what = format!("the arguments as they were given: {expected:?}");
    expect(holds, what, format_args!("{seen:?}"))?;
    ended.exits(0)?;
    Ok(())
}

fn leaves_no_signal_blocked_in_the_command(program: &Program) -> Result<()> {
    let _running = program.run(&["sleep", "1010"]).start()?;
    let pid = program.host.find_process(&["sleep", "1010"])?;
    let blocked = status(pid, "SigBlk")?;
    let what = "no bit in SigBlk, the signals that the command blocks";
    expect(blocked == "0000000000000000", what, blocked)
}

fn leaves_sigpipe_to_the_command(program: &Program) -> Result<()> {
    // Rust and Python ignore it from their start on, and a command would go on to ignore it:
    // in `yes | head`, `yes` would complain, and not just end.
    let _running = program.run(&["sleep", "1011"]).start()?;
    let pid = program.host.find_process(&["sleep", "1011"])?;
    let ignored = status(pid, "SigIgn")?;
    let bit = 1 << (Signal::SIGPIPE as i32 - 1);
    let holds = u64::from_str_radix(&ignored, 16).context("parse SigIgn")? & bit == 0;
    let what = format!("no {bit:x} (SIGPIPE) in SigIgn, the signals that the command ignores");
    expect(holds, what, ignored)
}

fn leaves_ctrl_c_to_the_command(program: &Program) -> Result<()> {
    ends_at_a_key(program, 'c', 130)
}

fn leaves_ctrl_backslash_to_the_command(program: &Program) -> Result<()> {
    ends_at_a_key(program, '\\', 131)
}

fn ends_at_a_key(program: &Program, key: char, code: i32) -> Result<()> {
    let mut terminal = program.run_shell(STARTED).in_terminal()?;
    terminal.wait_for("started")?;
    terminal.press(key)?;
    terminal.exits(code)
}

fn stays_with_a_command_that_handles_ctrl_c(program: &Program) -> Result<()> {
    stays_at_a_key(program, 'c', "INT")
}

fn stays_with_a_command_that_handles_ctrl_backslash(program: &Program) -> Result<()> {
    stays_at_a_key(program, '\\', "QUIT")
}

fn stays_at_a_key(program: &Program, key: char, signal: &str) -> Result<()> {
    // It gets the signal from the terminal, and not once more from the program. What comes
    // just before a `read` waits does not end it; and bash forgets a SIGINT that comes just
    // when a program has ended that it was waiting for, so that there is no `sleep` here.
    let script = "trap 'echo caught; caught=$((caught + 1))' \"$0\"; echo started; \
                  until [ \"$caught\" ]; do :; done; read line; \
                  echo \"read $line\"; exit $((3 + caught))";
    let call = program.run(&["bash", "-c", script, signal]);
    let mut terminal = call.in_terminal()?;
    terminal.wait_for("started")?;
    terminal.press(key)?;
    terminal.wait_for("caught")?;
    terminal.type_line("on")?;
    terminal.wait_for("read on")?;
    terminal.exits(4)
}

fn passes_sigterm_and_sighup_on(program: &Program) -> Result<()> {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let running = program.run_shell(STARTED).started()?;
        running.end_with(signal)?.exits(code)?;
        program.host.expect_nothing_left()?;
    }
    let script = "trap 'echo caught; exit 5' TERM; echo started; while :; do sleep 0.01; done";
    let running = program.run(&["bash", "-c", script]).started()?;
    running
        .end_with(Signal::SIGTERM)?
        .exits(5)?
        .prints("caught")?;
    Ok(())
}

fn ends_on_sigterm_at_any_moment(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    for moment in 0..12 {
        let running = program.run(&["sleep", "1000"]).start()?;
        // Up to 11 ms after its start: by then the command runs.
        thread::sleep(scaled(1) * moment);
        running.end_with(Signal::SIGTERM)?.exits(143)?;
        program.host.expect_nothing_left()?;
    }
    program.host.expect_unchanged(&before)
}

fn leaves_nothing_behind(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    for command in ["true", "false", "no-such-command"] {
        program.run(&[command]).end()?;
        program.host.expect_nothing_left()?;
        program.host.expect_unchanged(&before)?;
    }
    Ok(())
}

fn serves_twenty_at_once(program: &Program) -> Result<()> {
    // Threads count, and some languages begin with a dozen.
    program.host.allow_processes(1000)?;
    let start = |number: i32| {
        program
            .run_shell(&format!("sleep 0.1; exit {number}"))
            .start()
    };
    let all = (0..20).map(start).collect::<Result<Vec<_>>>()?;
    for (number, running) in (0..).zip(all) {
        running.end()?.exits(number)?;
    }
    program.host.expect_nothing_left()
}

/// Root without CAP_SYS_ADMIN, for which the kernel asks, but with the right to read what
/// belongs to others: the program may be in the home of the user who called sudo.
pub(crate) const WITHOUT_ROOT: [&str; 3] = [
    "setpriv",
    "--bounding-set=-all,+dac_override,+dac_read_search",
    "--inh-caps=-all",
];

fn does_nothing_without_root(program: &Program) -> Result<()> {
    let call = program.run(EXECUTED).with_prefix(&WITHOUT_ROOT);
    does_nothing(program, call, &["Operation not permitted"])
}

fn works_without_root_in_a_user_namespace(program: &Program) -> Result<()> {
    // In there, nobody may enter another user's home.
    let (_exposed, path) = program.expose()?;
    let rootfs = program.host.expose(&program.rootfs)?;
    let before = program.host.snapshot()?;
    let call = program
        .run_shell("hostname inside && hostname")
        .with_prefix(&["unshare", "-r"])
        .at(path)
        .with_env("ROOTFS", rootfs.path());
    call.end()?.exits(0)?.prints("inside")?;
    program.host.expect_unchanged(&before)
}

fn ends_what_the_command_left_running(program: &Program) -> Result<()> {
    program.run_shell("sleep 1000 & exit 6").end()?.exits(6)?;
    program.host.expect_nothing_left()
}

fn does_nothing_without_a_root_filesystem(program: &Program) -> Result<()> {
    let missing = program.host.folder.path().join("no-such-root");
    let call = program.run(EXECUTED).with_env("ROOTFS", &missing);
    does_nothing(
        program,
        call,
        &["no-such-root", "No such file or directory"],
    )
}

fn does_nothing_if_proc_cannot_be_mounted(program: &Program) -> Result<()> {
    // A root filesystem without the folder /proc.
    let rootfs = program.host.make_folder()?;
    let call = program.run(EXECUTED).with_env("ROOTFS", rootfs.path());
    does_nothing(program, call, &["proc", "No such file or directory"])
}

fn mounts_proc_without_setuid_devices_and_programs(program: &Program) -> Result<()> {
    let ended = program.run(&["cat", "/proc/self/mountinfo"]).end()?;
    let mounts = mountinfo::parse(ended.stdout.as_bytes()).into_iter();
    let proc = mounts.rev().find(|mount| mount.point == Path::new("/proc"));
    let options = ["nosuid", "nodev", "noexec"];
    let holds = proc.is_some_and(|proc| options.iter().all(|option| proc.is(option)));
    ended
        .exits(0)?
        .expected("/proc mounted nosuid, nodev and noexec", holds)?;
    Ok(())
}

fn does_nothing_if_it_cannot_make_a_cgroup(program: &Program) -> Result<()> {
    program.host.make_cgroups_read_only()?;
    let call = program.run(EXECUTED);
    does_nothing(program, call, &["cgroup", "Read-only file system"])
}

fn does_nothing_if_it_cannot_write_to_its_cgroup(program: &Program) -> Result<()> {
    // The folder that it makes may be entered by nobody, and so neither by root without the
    // right to override that.
    let (_exposed, path) = program.expose()?;
    let call = program.run(EXECUTED).with_prefix(&IN_NO_FOLDER_OF_ITS_OWN);
    does_nothing(program, call.at(path), &["Permission denied"])
}

fn does_nothing_if_no_cgroups_are_mounted(program: &Program) -> Result<()> {
    // With a copy of the host's mounts.
    let unmounted = ["unshare", "--mount", "sh", "-c", UNMOUNT_CGROUPS, "sh"];
    let call = program.run(EXECUTED).with_prefix(&unmounted);
    does_nothing(program, call, &["cgroup"])
}

const UNMOUNT_CGROUPS: &str = "umount --recursive /sys/fs/cgroup && exec \"$@\"";

/// With this umask the program makes folders that not even root may enter.
pub const IN_NO_FOLDER_OF_ITS_OWN: [&str; 6] = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "sh",
    "-c",
    "umask 777 && exec \"$@\"",
    "sh",
];

/// Fails unless `call` ends with 125 and these words, has not executed the command, and has
/// left the host as it was.
fn does_nothing(program: &Program, call: Call, words: &[&str]) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = call.end()?;
    has_done_nothing(program, &before, &ended, words)
}

/// Fails unless a program has ended so.
pub fn has_done_nothing(
    program: &Program,
    before: &Snapshot,
    ended: &Ended,
    words: &[&str],
) -> Result<()> {
    ended.exits(125)?.complains(words)?.has_executed_nothing()?;
    program.host.expect_nothing_left()?;
    program.host.expect_unchanged(before)
}
