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
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};
use kernelfiles::process;

/// The program to ask.
pub const CONTAINER: &str = "CONTAINER";

/// The root filesystem for it.
pub const ROOTFS: &str = "ROOTFS";

/// How many times slower than the author's this machine is: a virtual machine without KVM is
/// 30 times slower.
pub const SLOWNESS: &str = "TEST_SLOWNESS";

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

/// A time limit that is made for a machine like the author's, for this one.
pub fn scaled(limit: Duration) -> Duration {
    let factor = get(SLOWNESS).and_then(|factor| factor.to_str()?.parse().ok());
    limit * factor.unwrap_or(1)
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
fn cargo_above() -> Result<Option<i32>> {
    let mut pid = i32::try_from(std::process::id())?;
    // A process whose parent is outside of its PID namespace has 0 there.
    while pid != 0 && process::path(pid, "status").exists() {
        if ["cargo", "cargo-nextest"].contains(&&*process::status(pid, "Name")?) {
            return Ok(Some(pid));
        }
        pid = process::parent(pid)?;
    }
    Ok(None)
}
