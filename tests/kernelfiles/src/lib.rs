//! What the kernel tells in files, read as it writes them.
//!
//! - [`mountinfo`]: the list of mounts.
//! - [`process`]: what /proc says of a process.
//! - [`network`]: what /proc says of the network namespace of a process.
//! - [`cgroup`]: which cgroups a process is in, and where one can be made.
//! - [`machine`]: what /proc says of the whole machine.
//!
//! The crate procfs reads text alone, where a path or a name may hold any byte, and leaves
//! `\040` in paths as it is.

pub mod cgroup;
pub mod machine;
pub mod mountinfo;
pub mod network;
pub mod process;
