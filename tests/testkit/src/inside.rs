//! What a process knows that asks one question, inside the fence: the environment tells it,
//! and the suite, which has started it, reads what it says.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// In the environment: what the process is to ask.
pub const QUESTION: &str = "TESTKIT_QUESTION";

/// The folder in which it mounts a file system of its own, which the suite has made.
pub const SCRATCH: &str = "TESTKIT_SCRATCH";

/// The question for this process, if it is one of those inside.
pub fn question() -> Option<String> {
    env::var(QUESTION).ok()
}

/// Whether this process is one of those inside.
pub fn is_inside() -> bool {
    env::var_os(QUESTION).is_some()
}

/// The folder that the suite has made, in a process inside.
pub fn scratch() -> Option<PathBuf> {
    env::var_os(SCRATCH).map(PathBuf::from)
}

/// The cgroup with the limits.
pub fn limits() -> Result<OwnedFd> {
    let limits = io::stdin().as_fd().try_clone_to_owned();
    limits.context("find the cgroup with the limits")
}

/// Hides from a program that it was started by a test.
pub fn hide(command: &mut Command) {
    command.env_remove(QUESTION).env_remove(SCRATCH);
}

/// Leaves word for the suite, in place of what was said before: this process may be killed.
pub fn say(text: &str) {
    if let Ok(said) = io::stdout().as_fd().try_clone_to_owned().map(File::from) {
        said.set_len(0)
            .and_then(|()| said.write_all_at(text.as_bytes(), 0))
            .ok();
    }
}
