//! Runs a container program safely, and tells from outside what it can do.
//!
//! # Layout
//!
//! From top to bottom: what stands here knows only what stands below it.
//!
//! - [`suite`]: the tests of a step, put together and run.
//! - [`exercise`]: what a right answer to an exercise passes, a file for each.
//! - [`answers`]: what only our own answers to the exercises show.
//! - [`own`]: what several of our own steps show.
//! - [`dependable`], `inherited`: what makes a program trustworthy.
//! - [`lesson`]: what the steps teach.
//! - [`check`]: what a check is, and a promise.
//! - `registry`: where images are to be had.
//! - `image`, `layer`: images, and what they are made of.
//! - [`refuse`]: a kernel that refuses a system call.
//! - [`program`], [`terminal`], `report`: start the program under test, and look at it.
//! - [`host`]: the machine as a program under test may see it, and nothing of the real one
//!   that it could harm.
//! - `fence`: a process for each test.
//! - `guard`, `cgroup`: the cgroups that hold it.
//! - `snapshot`, `mounts`, `scratch`: what a host is made of.
//! - [`patience`]: how to wait.
//! - `inside`: what the process of a test knows of those that have started it.
//!
//! Below all of it are packages that others share: `contract` (what a failure is), `course`
//! (the steps and the exercises), `kernelfiles` and `rootfs`.
//!
//! Nothing here knows how a program does what it does. With `CONTAINER=/path/to/program`
//! in the environment the same tests are asked of a program in any language.

/// What the tests of a step alone take from below.
pub use {contract, kernelfiles};

pub mod answers;
mod cgroup;
pub mod check;
pub mod dependable;
pub mod exercise;
mod fence;
mod guard;
pub mod host;
mod image;
mod inherited;
mod inside;
mod layer;
pub mod lesson;
pub mod mounts;
pub mod own;
pub mod patience;
pub mod program;
pub mod refuse;
mod registry;
mod report;
mod scratch;
pub mod snapshot;
pub mod suite;
pub mod terminal;
