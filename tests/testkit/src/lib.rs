//! Runs a container program safely, and tells from outside what it can do.
//!
//! - [`host`]: the machine as a program under test may see it, and nothing of the real one
//!   that it could harm.
//! - `fence` and `guard`: a process for each test, and the cgroups that hold it.
//! - [`container`]: the program under test, as the user names it.
//! - [`program`]: start the program there, in a terminal or not, and look at how it ended.
//! - [`lesson`] and [`dependable`]: what a step and all that follow it promise.
//! - [`exercise`]: what the exercises at the end of a chapter ask for.
//! - [`own`]: what only our own steps show; [`refuse`]: a kernel that refuses a system call.
//! - [`suite`]: put these together for one step, and run them.
//!
//! Nothing here knows how a program does what it does. With `CONTAINER=/path/to/program`
//! in the environment the same tests are asked of a program in any language.

use std::fs;
use std::io;
use std::path::Path;

#[cfg(feature = "suite")]
use kernelfiles::mountinfo;

#[cfg(feature = "suite")]
pub mod answers;
#[cfg(feature = "suite")]
pub mod check;
pub mod container;
#[cfg(feature = "suite")]
pub mod dependable;
#[cfg(feature = "suite")]
pub mod exercise;
#[cfg(feature = "suite")]
mod fence;
#[cfg(feature = "suite")]
mod guard;
#[cfg(feature = "suite")]
pub mod host;
#[cfg(feature = "suite")]
mod inherited;
#[cfg(feature = "suite")]
pub mod lesson;
#[cfg(feature = "suite")]
pub mod own;
#[cfg(feature = "suite")]
pub mod program;
#[cfg(feature = "suite")]
pub mod refuse;
#[cfg(feature = "suite")]
pub mod suite;
#[cfg(feature = "suite")]
mod variables;

/// Makes cgroups as the answer to `memory` does: it knows where, on every layout.
#[cfg(feature = "suite")]
#[path = "../../../step08-cgroup/answers/memory/cgroup.rs"]
#[expect(
    dead_code,
    reason = "the testkit lets a shell join, and limits processes only"
)]
mod cgroup;
#[cfg(feature = "suite")]
#[path = "../../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;

/// Writes a file under another name, and renames it when it is whole: a full disk leaves what
/// was there.
///
/// # Errors
///
/// If it cannot be written.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}
