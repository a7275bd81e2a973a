//! After step 8: all of it in one.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};

use crate::check::{Check, checks};
use crate::exercise::named::id;
use crate::exercise::volume::make_folder;
use crate::program::Program;

/// What a right answer passes. All that the steps promise, and its parts, is asked too.
pub const CHECKS: &[Check] = checks![
    takes_the_command_line_of_the_third_seed,
    has_a_cgroup_namespace,
    does_all_of_it_at_once,
    keeps_a_link_that_goes_up_inside,
    refuses_what_is_no_option,
];

/// Word for word, as its README has it.
const SEED: &[&str] = &["--action", "run", "--name", "--", "/bin/sh"];

fn takes_the_command_line_of_the_third_seed(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let call = program.call(SEED).with_input("hostname\necho $0\nexit 3\n");
    let ended = call.end()?;
    let id = id(ended.exits(3)?)?;
    let lines: Vec<&str> = ended.stdout.lines().rev().take(2).collect();
    let holds = lines == ["/bin/sh", id] || lines == ["/bin/sh", &id[..12]];
    ended.expected(
        "the ID, or its first 12 characters, as hostname of /bin/sh",
        holds,
    )?;
    program.host.expect_nothing_left()?;
    program.host.expect_unchanged(&before)
}

fn has_a_cgroup_namespace(program: &Program) -> Result<()> {
    let outside = program.host.namespace("cgroup")?;
    let call = program.run(&["readlink", "/proc/self/ns/cgroup"]);
    let ended = call.end()?;
    let what = format!("another cgroup namespace than the host's {outside}");
    let seen = ended.line_with("cgroup:[");
    let holds = !seen.is_empty() && seen != outside;
    ended.exits(0)?.expected(&what, holds)?;
    // Its own cgroup is the top of what it sees, in each hierarchy.
    let ended = program.run(&["cat", "/proc/self/cgroup"]).end()?;
    let mut lines = ended.stdout.lines().filter(|line| line.contains(':'));
    let holds = lines.all(|line| line.ends_with(":/"));
    ended
        .exits(0)?
        .expected("/ as the cgroup in each line of /proc/self/cgroup", holds)?;
    Ok(())
}

/// All options that go together.
const OPTIONS: &[&str] = &[
    "--name",
    "web",
    "--pid-file",
    "pid",
    "--env",
    "COLOUR=blue",
    "--workdir",
    "/root",
    "--user",
    "1000",
    "--overlay",
    "--volume",
    "folder:/root",
    "--cap-drop",
    "ALL",
    "--cap-add",
    "CHOWN",
    "--seccomp",
    "--verbose",
];

fn does_all_of_it_at_once(program: &Program) -> Result<()> {
    make_folder(program, "folder")?;
    let script = "hostname && id -u && echo $COLOUR && pwd && cat old && echo >/dev/null && \
                  ! mount -t tmpfs none /tmp 2>/dev/null && \
                  read -r line </proc/self/cgroup && test ${line##*:} = / && echo \"all of it\"";
    let call = program.run_with(OPTIONS, &["sh", "-c", script]);
    let ended = call.end()?;
    ended
        .exits(0)?
        .prints("web\n1000\nblue\n/root\nfrom the host's folder\nall of it")?;
    let pid = fs::read_to_string(program.host.folder.path().join("pid")).unwrap_or_default();
    let holds = pid.trim_end().parse::<u32>().is_ok();
    ended.expected("a PID in the file that --pid-file names", holds)?;
    program.host.expect_nothing_left()
}

/// `pivot-root` and `volume` together. In the root, `..` leads to the root itself; but not as
/// long as the old one lies on top of it.
fn keeps_a_link_that_goes_up_inside(program: &Program) -> Result<()> {
    make_folder(program, "folder")?;
    let rootfs = program.make_rootfs(&[])?;
    fs::create_dir(rootfs.join("only-inside")).context("make a folder")?;
    symlink("../only-inside", rootfs.join("link")).context("make a link")?;
    let options = ["--volume", "folder:/link"];
    let call = program.run_with(&options, &["cat", "/only-inside/old"]);
    let ended = call.with_env("ROOTFS", rootfs).end()?;
    ended.exits(0)?.prints("from the host's folder")?;
    Ok(())
}

fn refuses_what_is_no_option(program: &Program) -> Result<()> {
    for args in [
        &["--action"][..],
        &["--action", "walk", "--", "echo", "executed"],
        &["run", "--colour", "blue", "echo", "executed"],
        &["run", "--cap-drop", "EVERYTHING", "echo", "executed"],
        &["run", "--overlay=yes", "echo", "executed"],
        &["run", "--volume=.:/tmp", "--"],
    ] {
        program.call(args).end()?.is_wrong_usage()?;
    }
    Ok(())
}
