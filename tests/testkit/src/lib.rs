//! Runs a container program safely, and tells from outside what it can do.
//!
//! - [`host`]: the machine as a program under test may see it, and nothing of the real one
//!   that it could harm.
//! - `fence` and `guard`: a process for each test, and the cgroups that hold it.
//! - [`program`]: start the program there, in a terminal or not, and look at how it ended.
//! - [`lesson`] and [`dependable`]: what a step and all that follow it promise.
//! - [`exercise`]: what the exercises at the end of a chapter ask for.
//! - [`own`]: what only our own steps show; [`refuse`]: a kernel that refuses a system call.
//! - [`suite`]: put these together for one step, and run them.
//!
//! Nothing here knows how a program does what it does. With `CONTAINER=/path/to/program`
//! in the environment the same tests are asked of a program in any language.

use kernelfiles::mountinfo;

pub mod answers;
pub mod check;
pub mod dependable;
pub mod exercise;
mod fence;
mod guard;
pub mod host;
mod inherited;
pub mod lesson;
pub mod own;
pub mod program;
pub mod refuse;
pub mod suite;
mod variables;

/// Makes cgroups as the answer to `memory` does: it knows where, on every layout.
#[path = "../../../step08-cgroup/answers/memory/cgroup.rs"]
#[expect(
    dead_code,
    reason = "the testkit lets a shell join, and limits processes only"
)]
mod cgroup;
#[path = "../../../step08-cgroup/src/hierarchy.rs"]
mod hierarchy;
