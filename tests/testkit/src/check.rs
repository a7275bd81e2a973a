//! What is asked of a program: a check; and a promise, which is a check that steps keep.

use std::ops::RangeInclusive;

use anyhow::Result;

use crate::program::Program;

/// A promise about a program, as a function that fails when it is broken.
pub struct Check {
    /// What it is called in the list of tests.
    pub name: &'static str,
    /// The function of that name.
    pub ask: fn(&Program) -> Result<()>,
}

/// Checks, named after their functions: `checks![reaps_orphans, passes_signals_on]`.
#[macro_export]
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        &[$($crate::check::Check {
            name: stringify!($check),
            ask: $check,
        }),*]
    };
}
pub use checks;

/// Checks that a step makes and every later step keeps. The first is the one whose chapter
/// tells about them.
pub type Promises = (RangeInclusive<u8>, &'static [Check]);
