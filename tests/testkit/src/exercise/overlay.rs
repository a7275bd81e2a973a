//! After step 6: many containers on one image, and what they write is thrown away.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use contract::failure::expect;
use nix::sys::signal::Signal;

use crate::check::{Check, checks};
use crate::lesson::{
    keeps_a_mount_of_the_command_inside, keeps_its_mounts_inside,
    shows_the_root_filesystem_as_root, starts_in_the_new_root,
};
use crate::program::{Call, Program, by_any_name};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    shows_the_root_filesystem_as_root,
    starts_in_the_new_root,
    throws_its_writes_away,
    keeps_the_writes_of_two_apart,
    leaves_the_image_as_it_was,
    leaves_the_image_as_it_was_by_any_name,
    keeps_its_mounts_inside,
    keeps_a_mount_of_the_command_inside,
];

/// `PROGRAM run sh -c SCRIPT`, on the image `rootfs`.
fn run<'a>(program: &'a Program, rootfs: &Path, script: &str) -> Call<'a> {
    program.run_shell(script).with_env("ROOTFS", rootfs)
}

fn throws_its_writes_away(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    let script = "echo one >/root/note && cat /root/note";
    let ended = run(program, &rootfs, script).end()?;
    ended.exits(0)?.prints("one")?;
    let script = "test ! -e /root/note && echo nothing";
    let ended = run(program, &rootfs, script).end()?;
    ended.exits(0)?.prints("nothing")?;
    Ok(())
}

fn keeps_the_writes_of_two_apart(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    let script = "trap 'cat /root/note; exit 0' TERM; echo one >/root/note; echo written; \
                  while :; do sleep 0.01; done";
    let mut one = run(program, &rootfs, script).start()?;
    one.wait_for("written")?;
    let script = "test ! -e /root/note && echo two >/root/note && cat /root/note";
    let other = run(program, &rootfs, script).end()?;
    other.exits(0)?.prints("two")?;
    one.signal(Signal::SIGTERM)?;
    one.end()?.exits(0)?.prints("one")?;
    Ok(())
}

fn leaves_the_image_as_it_was(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    let host = program.host.snapshot()?;
    let before = files(&rootfs)?;
    let script = "echo changed >/etc/passwd && rm /etc/group && mkdir /new && touch /new/file && \
                  chmod 700 /usr && cat /etc/passwd && test ! -e /etc/group && ls /new";
    let ended = run(program, &rootfs, script).end()?;
    ended.exits(0)?.prints("changed\nfile")?;
    expect_files(&rootfs, &before)?;
    program.host.expect_unchanged(&host)
}

/// What a path leads to may be another folder once something is mounted there.
fn leaves_the_image_as_it_was_by_any_name(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    let before = files(&rootfs)?;
    for call in by_any_name(
        program,
        &rootfs,
        "echo changed >/etc/passwd && mkdir /new; ls -d /new",
    ) {
        let ended = call.end()?;
        expect_files(&rootfs, &before)?;
        ended.exits(0)?.prints("/new")?;
    }
    Ok(())
}

pub(super) fn expect_files(folder: &Path, before: &BTreeMap<PathBuf, State>) -> Result<()> {
    let now = files(folder)?;
    let mut all = before.keys().chain(now.keys());
    let changed = all.find(|path| before.get(*path) != now.get(*path));
    let seen = format!("a change of {changed:?}");
    expect(changed.is_none(), "the image as it was", seen)
}

/// A file's inode, mode, size and time. Whatever changes a file changes one of these.
pub(super) type State = (u64, u32, u64, i64, i64);

/// All that lies in a folder.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<PathBuf, State>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).context("list a folder")? {
            let path = entry.context("list a folder")?.path();
            let file = fs::symlink_metadata(&path).context("look at a file")?;
            let state = (
                file.ino(),
                file.mode(),
                file.size(),
                file.mtime(),
                file.mtime_nsec(),
            );
            if file.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, state);
        }
    }
    Ok(found)
}
