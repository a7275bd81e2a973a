//! What a command inherits: all that its caller had, and nothing of the container program's,
//! but for what the step says. These are promises of [`crate::dependable`].
//!
//! Read: execve(2), whose page lists what a new program keeps.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use contract::failure::expect;
use kernelfiles::process::{environment, numbers, path, stat, state, status, text};
use nix::sys::signal::Signal;

use crate::lesson::is_same_folder;
use crate::patience::until;
use crate::program::{Call, Program, Running};

/// In front of a program: its caller has changed what a program can inherit, and ignores
/// SIGHUP, as nohup(1) does.
const CALLER: [&str; 4] = [
    "sh",
    "-c",
    "umask 0027; ulimit -n 500; trap '' HUP; echo 5 >/proc/self/oom_score_adj; \
     exec nice -n 3 \"$@\"",
    "sh",
];

/// A command that runs, and the same one without a container beside it.
struct Both<'a> {
    _inside: Running<'a>,
    command: i32,
    _bare: Running<'a>,
    caller: i32,
}

impl<'a> Both<'a> {
    fn start(program: &'a Program) -> Result<Self> {
        let as_caller = |call: Call<'a>| {
            let call = call.with_prefix(&CALLER).with_env("LC_ALL", "C.UTF-8");
            call.with_env("OF_THE_CALLER", "yes").start()
        };
        let bare = as_caller(program.call(&["1060"]).at("sleep".into()))?;
        let caller = program.host.find_process(&["sleep", "1060"])?;
        let inside = as_caller(program.run(&["sleep", "1061"]))?;
        let command = program.host.find_process(&["sleep", "1061"])?;
        for pid in [caller, command] {
            // Before it sleeps, it may still load its libraries.
            until("a command that sleeps", || {
                state(pid).is_ok_and(|it| it == 'S')
            })?;
        }
        Ok(Self {
            _inside: inside,
            command,
            _bare: bare,
            caller,
        })
    }

    /// Fails unless what `read` finds is the same for the command with and without a
    /// container.
    fn have_the_same(
        &self,
        what: &str,
        read: impl Fn(i32) -> Result<BTreeSet<String>>,
    ) -> Result<()> {
        let (expected, seen) = (read(self.caller)?, read(self.command)?);
        let missing: Vec<_> = expected.difference(&seen).collect();
        let new: Vec<_> = seen.difference(&expected).collect();
        expect(
            expected == seen,
            format_args!("for the command {what} of its caller"),
            format_args!("missing are {missing:?}, and new are {new:?}"),
        )
    }
}

pub(crate) fn leaves_the_environment_to_the_caller(program: &Program) -> Result<()> {
    // A shell that is a container program sets these, and exports them.
    let of_shells = ["_", "OLDPWD", "PWD", "SHLVL"];
    Both::start(program)?.have_the_same("the environment", |pid| {
        let variables = environment(pid)?.into_iter();
        let variables = variables.map(|line| line.to_string_lossy().into_owned());
        let is_kept = |line: &String| !of_shells.contains(&line.split('=').next().unwrap_or(""));
        Ok(variables.filter(is_kept).collect())
    })
}

pub(crate) fn leaves_umask_limits_and_priorities_to_the_caller(program: &Program) -> Result<()> {
    Both::start(program)?.have_the_same("umask, limits and priorities", |pid| {
        let stat = stat(pid)?;
        let mut all = BTreeSet::from([
            format!("umask {}", status(pid, "Umask")?),
            format!("nice {}", stat.field(19)),
            format!("scheduling policy {}", stat.field(41)),
            format!("oom_score_adj {}", text(pid, "oom_score_adj")?.trim_end()),
        ]);
        let limits = text(pid, "limits")?;
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        all.extend(limits.lines().skip(1).map(words));
        Ok(all)
    })
}

pub(crate) fn leaves_ignored_signals_to_the_caller(program: &Program) -> Result<()> {
    Both::start(program)?.have_the_same("the ignored signals", |pid| {
        let ignored = u64::from_str_radix(&status(pid, "SigIgn")?, 16).context("read SigIgn")?;
        // 32 and 33 are the C library's own.
        let numbers = (1..=64).filter(|number| ![32, 33].contains(number));
        let numbers = numbers.filter(|number| ignored & (1 << (number - 1)) != 0);
        let name = |number| match Signal::try_from(number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {number}"),
        };
        Ok(numbers.map(name).collect())
    })
}

pub(crate) fn lets_setuid_programs_work(program: &Program) -> Result<()> {
    Both::start(program)?.have_the_same("the no_new_privs", |pid| {
        Ok([format!("NoNewPrivs: {}", status(pid, "NoNewPrivs")?)].into())
    })
}

pub(crate) fn opens_no_descriptor_for_the_command(program: &Program) -> Result<()> {
    // A descriptor of a folder leads out of every root: `ls /proc/$$/fd/3/..`.
    let both = Both::start(program)?;
    let [of_the_caller, seen] = [both.caller, both.command].map(|pid| {
        let descriptors = numbers(&path(pid, "fd"));
        descriptors.collect::<BTreeSet<_>>()
    });
    let mut new = Vec::new();
    for number in seen.difference(&of_the_caller) {
        let target = fs::read_link(path(both.command, &format!("fd/{number}"))).unwrap_or_default();
        new.push(format!("{number} -> {}", target.display()));
    }
    let what = "for the command no descriptor but its caller's (O_CLOEXEC closes others in time)";
    expect(new.is_empty(), what, format_args!("{new:?}"))
}

pub(crate) fn starts_in_the_callers_folder(program: &Program) -> Result<()> {
    let both = Both::start(program)?;
    if !is_same_folder(&path(both.command, "root"), Path::new("/"))? {
        // It does what step 6 teaches already.
        return Ok(());
    }
    let seen = fs::read_link(path(both.command, "cwd")).context("read where the command is")?;
    let folder = program.host.folder.path().canonicalize();
    let folder = folder.context("find the caller's folder")?;
    let what = "as working directory of the command, which is its caller's";
    let what = format!("{} {what}", folder.display());
    expect(seen == folder, what, seen.display())
}

pub(crate) fn finds_the_command_in_its_own_root(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    // The host has no such command, wherever PATH leads to.
    symlink("/bin/echo", rootfs.join("bin/only-inside")).context("make a link")?;
    let ended = program
        .run(&["only-inside", "found"])
        .with_env("ROOTFS", rootfs)
        .end()?;
    let holds = ended.code() == 0 && !ended.line_with("found").is_empty();
    let what = "/bin/only-inside executed, which is looked up in PATH after chroot, not before";
    ended.expected(what, holds)?;
    Ok(())
}

pub(crate) fn leads_nowhere_outside_by_proc(program: &Program) -> Result<()> {
    // What is inside leads up to `/`. What is not leads up to another one.
    let script = "up=/../../../../../../../../../../../../../../../../../../../../..
        test -d /proc/1 || exit
        for link in /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/fd/*; do
            [ ! -d $link/ ] || [ $link$up -ef / ] || echo out: $link
        done
        echo looked";
    let ended = program.run_shell(script).end()?;
    ended.exits(0)?.prints("looked")?;
    let holds = ended.line_with("out: ").is_empty();
    let what = "no entry of /proc that leads out of the root filesystem: PID 1 has to be in it, \
                too, and no descriptor may be open on a folder outside";
    ended.expected(what, holds)?;
    Ok(())
}
