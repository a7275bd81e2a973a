//! Has cargo build something.

use std::collections::HashMap;
use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::{Uid, User};
use serde_json::Value;

use crate::children::{Stop, memory_file, read_all, wait};
use crate::suites::top;

/// Has cargo build, and returns the programs of a kind, such as `test`, by their names; or
/// nothing if that fails or is stopped. Cargo is quiet unless something is wrong.
pub fn build(kind: &str, args: &[&str], stop: Stop) -> Result<Option<HashMap<String, PathBuf>>> {
    let log = memory_file()?;
    let mut command = cargo();
    command
        .args(args)
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stdout(log.try_clone().context("share a file")?);
    let mut cargo = command.spawn().context(CARGO_IS_MISSING)?;
    wait(slice::from_mut(&mut cargo), Duration::MAX, stop)?;
    if !cargo.wait().context("wait for cargo")?.success() {
        return Ok(None);
    }
    let log = read_all(log)?;
    Ok(Some(
        log.lines().filter_map(|line| built(kind, line)).collect(),
    ))
}

const CARGO_IS_MISSING: &str = "execute cargo (as root: `sudo env PATH=\"$PATH\" …`)";

/// Reads a line of what cargo tells about something that it has built:
/// `{"reason":"compiler-artifact",…,"target":{"kind":["test"],"name":"step05_pid",…},"executable":"/…",…}`
fn built(kind: &str, line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let path = message["executable"].as_str()?;
    let is_wanted = target["kind"][0] == kind;
    is_wanted.then_some((target["name"].as_str()?.into(), path.into()))
}

fn cargo() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With sudo, the compiler may be in no folder of PATH. It lies beside cargo.
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = Path::new(&cargo).parent().filter(|it| it.is_absolute());
    let folders = env::split_paths(&path).chain(beside.map(Path::to_path_buf));
    let mut command = Command::new(&cargo);
    command
        .current_dir(top())
        .env("PATH", env::join_paths(folders).unwrap_or(path.clone()));
    // What root built for a user who called sudo, that user could not build again: so the user
    // does it.
    let id = |name| env::var(name).ok()?.parse().ok();
    if let (true, Some(user), Some(group)) =
        (Uid::effective().is_root(), id("SUDO_UID"), id("SUDO_GID"))
    {
        command.uid(user).gid(group);
        if let Ok(Some(user)) = User::from_uid(Uid::from_raw(user)) {
            command.env("HOME", user.dir);
        }
    }
    command
}
