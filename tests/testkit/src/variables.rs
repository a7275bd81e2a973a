//! What the user sets in the environment for the tests.
//!
//! Cargo passes it on to the program that it starts, but the runner in between, such as sudo,
//! may clear it: without `-E`, or as sudo-rs, which has no such option. A suite that did not
//! notice would ask our own program, and say that the user's has passed. So it looks at
//! cargo's own environment then.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::process;
use std::sync::OnceLock;

use anyhow::{Context, Result};

/// The program to ask.
pub const CONTAINER: &str = "CONTAINER";

/// The root filesystem for it.
pub const ROOTFS: &str = "ROOTFS";

/// Cargo's environment, if ours has been cleared.
static CARGOS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

/// The value of a variable, as the user has set it.
pub fn get(name: &str) -> Option<OsString> {
    let ours = env::var_os(name);
    ours.or_else(|| {
        let line = CARGOS.get()?.iter().find_map(|line| {
            let value = line.strip_prefix(name.as_bytes())?;
            value.strip_prefix(b"=")
        });
        Some(OsString::from_vec(line?.to_vec()))
    })
}

/// Looks for what has been cleared. Has to be called first.
///
/// # Errors
///
/// If there is something, but it cannot be read.
pub fn recover() -> Result<()> {
    // Cargo sets this one for all that it starts.
    if env::var_os("CARGO_MANIFEST_DIR").is_some() {
        return Ok(());
    }
    let Some(cargo) = cargo_above()? else {
        return Ok(());
    };
    let environment = fs::read(format!("/proc/{cargo}/environ")).with_context(|| {
        format!(
            "what cargo runs the tests with has cleared the environment, and cargo's own, of \
             process {cargo}, cannot be read: name the variables, as in \
             `sudo CONTAINER=… ROOTFS=…`"
        )
    })?;
    let lines = environment.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    CARGOS.set(lines.collect()).ok();
    Ok(())
}

/// The process of cargo's that has started us, with others in between.
fn cargo_above() -> Result<Option<String>> {
    let mut pid = process::id().to_string();
    // A process whose parent is outside of its PID namespace has 0 there.
    while pid != "0" {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            return Ok(None);
        };
        let field = |name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
            value.with_context(|| format!("find {name} in the status of process {pid}"))
        };
        if ["cargo", "cargo-nextest"].contains(&field("Name")?) {
            return Ok(Some(pid));
        }
        pid = field("PPid")?.to_owned();
    }
    Ok(None)
}
