//! What a suite and whoever starts it agree on.
//!
//! - [`variables`]: what the user sets in the environment.
//! - [`failure`]: what a test says that has failed, written and read.

pub mod failure;
pub mod variables;
