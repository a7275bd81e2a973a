//! The program under test, before anything is asked of it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::unistd::{AccessFlags, access};

/// Checks that the program at `path`, which the user calls `shown`, can be started.
///
/// # Errors
///
/// If there is nothing, or no file, or one that we may not execute (access(2)).
pub fn check(path: &Path, shown: &str) -> Result<()> {
    ensure!(path.exists(), "there is no program {shown}");
    ensure!(
        path.is_file(),
        "{shown} is no program, but a folder or the like"
    );
    access(path, AccessFlags::X_OK).with_context(|| {
        format!("{shown} cannot be executed (a script needs `chmod +x` and a line `#!`)")
    })
}
