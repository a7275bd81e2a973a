//! After step 6: another root, instead of a way down from the old one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kernelfiles::mountinfo::{self, Mount};

use crate::check::{Check, checks};
use crate::lesson::{
    keeps_a_mount_of_the_command_inside, keeps_its_mounts_inside, sees_only_its_own_processes,
    shows_the_root_filesystem_as_root, starts_in_the_new_root,
};
use crate::program::{Program, by_any_name};

/// What a right answer passes. Some of it is what step 7 teaches.
pub const CHECKS: &[Check] = checks![
    shows_the_root_filesystem_as_root,
    starts_in_the_new_root,
    takes_the_root_filesystem_by_any_name,
    sees_only_its_own_processes,
    keeps_its_mounts_inside,
    keeps_a_mount_of_the_command_inside,
    has_the_hosts_root_in_no_mount,
    keeps_escape_inside,
    closes_a_folder_that_the_caller_has_open,
];

fn takes_the_root_filesystem_by_any_name(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    fs::create_dir(rootfs.join("only-inside")).context("make a folder")?;
    for call in by_any_name(program, &rootfs, "ls -d /only-inside /proc/self") {
        call.end()?.exits(0)?.prints("/only-inside\n/proc/self")?;
    }
    Ok(())
}

fn has_the_hosts_root_in_no_mount(program: &Program) -> Result<()> {
    let mounts = mountinfo::read("/proc/thread-self/mountinfo")?;
    let mut mounts = mounts.into_iter();
    let host = mounts.find(|mount| mount.point == Path::new("/"));
    let host = host.context("find the host's root in mountinfo")?;
    let ended = program.run(&["cat", "/proc/self/mountinfo"]).end()?;
    let seen = mountinfo::parse(ended.stdout.as_bytes());
    let is_it = |mount: &Mount| (&mount.device, &mount.root) == (&host.device, &host.root);
    let holds = !seen.iter().any(is_it);
    let what = format!(
        "no mount of {} on {}, which is the host's root",
        host.root.display(),
        host.device
    );
    ended.exits(0)?.expected(&what, holds)?;
    let at_root = |mount: &&Mount| mount.point == Path::new("/");
    let count = seen.iter().filter(at_root).count();
    ended.expected("one mount on /", count == 1)?;
    Ok(())
}

fn keeps_escape_inside(program: &Program) -> Result<()> {
    let file = program.host.folder.path().join("outside");
    fs::write(&file, "a file of the host\n").context("write a file")?;
    // Our answer to the exercise before this one.
    let escape = program.step.with_file_name("escape");
    let rootfs = program.make_rootfs(&[&escape])?;
    let call = program.run(&["escape", "cat", &file.to_string_lossy()]);
    let ended = call.with_env("ROOTFS", rootfs).end()?;
    let holds = ended.code() != 0 && !ended.stdout.contains("a file of the host");
    ended.expected("an `escape` that does not get to the file outside", holds)?;
    Ok(())
}

fn closes_a_folder_that_the_caller_has_open(program: &Program) -> Result<()> {
    let open = ["sh", "-c", "exec 3</ 9</proc && exec \"$@\"", "sh"];
    let ended = program.run_shell(FOLDERS).with_prefix(&open).end()?;
    let holds = !ended.stdout.lines().any(|line| line.starts_with("/proc/"));
    ended.exits(0)?.prints("done")?;
    ended.expected("no folder that a process of the container has open", holds)?;
    Ok(())
}

/// Tells which folders are open in some process of the container: another one may enter them.
pub(crate) const FOLDERS: &str = "test -d /proc/self || exit; for file in /proc/[0-9]*/fd/*; do test ! -d $file || echo $file; done; echo done";
