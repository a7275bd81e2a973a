//! Has cargo build something.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::{Gid, Uid, User};
use serde_json::Value;

use crate::suites::{memory_file, read_all, top};
use crate::waiting::{Stop, wait};

/// A program that cargo has built.
pub struct Built {
    /// `test` or `bin`, and the like.
    pub kind: String,
    pub name: String,
    pub path: PathBuf,
}

/// Has cargo build, and returns the programs; or nothing if that fails or is stopped. Cargo is
/// quiet unless something is wrong.
pub fn build(args: &[&str], stop: Stop) -> Result<Option<Vec<Built>>> {
    let log = memory_file()?;
    let mut cargo = cargo();
    cargo
        .args(args)
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stdout(log.try_clone().context("share a file")?);
    let mut cargo = cargo.spawn().context(CARGO_IS_MISSING)?;
    wait(&mut [&mut cargo], Duration::MAX, stop)?;
    if !cargo.wait().context("wait for cargo")?.success() {
        return Ok(None);
    }
    Ok(Some(read_all(log)?.lines().filter_map(built).collect()))
}

const CARGO_IS_MISSING: &str = "execute cargo (as root: `sudo env PATH=\"$PATH\" …`)";

/// Reads a line of what cargo tells about something that it has built:
/// `{"reason":"compiler-artifact",…,"target":{"kind":["test"],"name":"step05_pid",…},"executable":"/…",…}`
fn built(line: &str) -> Option<Built> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    Some(Built {
        kind: target["kind"][0].as_str()?.into(),
        name: target["name"].as_str()?.into(),
        path: message["executable"].as_str()?.into(),
    })
}

/// What root built for a user who called sudo, that user could not build again: so the user
/// does it.
fn cargo() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With sudo, the compiler may be in no folder of PATH. It lies beside cargo.
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = Path::new(&cargo)
        .parent()
        .filter(|folder| folder.is_absolute());
    let folders = env::split_paths(&path).chain(beside.map(Path::to_path_buf));
    let mut command = Command::new(&cargo);
    command
        .current_dir(top())
        .env("PATH", env::join_paths(folders).unwrap_or(path.clone()));
    if let Some((user, group)) = caller() {
        command.uid(user.as_raw()).gid(group.as_raw());
        if let Ok(Some(user)) = User::from_uid(user) {
            command.env("HOME", user.dir);
        }
    }
    command
}

/// Who called sudo.
fn caller() -> Option<(Uid, Gid)> {
    let id = |name| env::var(name).ok()?.parse::<u32>().ok();
    let caller = (
        Uid::from_raw(id("SUDO_UID")?),
        Gid::from_raw(id("SUDO_GID")?),
    );
    Uid::effective().is_root().then_some(caller)
}
