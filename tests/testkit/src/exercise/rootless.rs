//! After step 5: a user namespace, so that no root is needed.

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use contract::failure::expect;

use crate::check::{Check, checks};
use crate::lesson::{NUMBERS, numbers_from_1};
use crate::program::{Ended, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    is_root_inside,
    sets_the_hostname,
    numbers_its_processes_from_1,
    makes_files_that_belong_to_the_user,
];

fn is_root_inside(program: &Program) -> Result<()> {
    let ended = run_as_user(program, "id -u && id -g")?;
    ended.exits(0)?.prints("0\n0")?;
    Ok(())
}

fn sets_the_hostname(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = run_as_user(program, "hostname inside && hostname")?;
    ended.exits(0)?.prints("inside")?;
    program.host.expect_unchanged(&before)
}

fn numbers_its_processes_from_1(program: &Program) -> Result<()> {
    numbers_from_1(&run_as_user(program, NUMBERS)?)
}

fn makes_files_that_belong_to_the_user(program: &Program) -> Result<()> {
    let ended = run_as_user(program, "touch mine")?;
    ended.exits(0)?;
    let mine = program.host.folder.path().join("mine");
    let mine = fs::metadata(mine).context("look at the file")?;
    let what = "a file of user 1000 and group 1000 on the host";
    let (user, group) = (mine.uid(), mine.gid());
    let seen = format!("user {user} and group {group}");
    expect((user, group) == (1000, 1000), what, seen)
}

/// What becomes an ordinary user, and then the program that stands behind it.
const AS_USER: [&str; 4] = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];

/// Lets an ordinary user call `PROGRAM run sh -c SCRIPT`.
fn run_as_user(program: &Program, script: &str) -> Result<Ended> {
    expect_user_namespaces(program)?;
    let (_exposed, path) = program.expose()?;
    let rootfs = program.host.expose(&program.rootfs)?;
    let call = program.run_shell(script).with_prefix(&AS_USER).at(path);
    call.with_env("ROOTFS", rootfs.path()).end()
}

/// Fails on a machine on which no answer can be right.
fn expect_user_namespaces(program: &Program) -> Result<()> {
    let words = ["--map-root-user", "--uts", "hostname", "inside"];
    let unshare = program.call(&words).with_prefix(&AS_USER);
    let ended = unshare.at("unshare".into()).end()?;
    let what = "a machine that lets ordinary users make user namespaces, without which no \
                answer can be right: `cargo run --bin doctor` says what forbids them";
    ended.expected(what, ended.code() == 0)?;
    Ok(())
}
