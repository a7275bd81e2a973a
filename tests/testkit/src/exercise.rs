//! What the exercises ask for, from outside: each is a module here, a program in the
//! `answers` folder of its step, and a section in that step's chapter.

use crate::suite::Check;

mod capabilities;
mod clean_env;
mod clone;
mod dev;
mod enter;
mod escape;
mod fork_exec;
mod init;
mod memory;
mod mydocker;
mod named;
mod net_ipc;
mod overlay;
mod own_proc;
mod pivot_root;
mod rootless;
mod seccomp;
mod sync_pipe;
mod volume;

/// An exercise.
pub struct Exercise {
    /// What it is called, as its program is.
    pub name: &'static str,
    /// What a right answer passes, each with a name.
    pub checks: &'static [(&'static str, Check)],
    /// The promises in [`crate::dependable`] that our answer need not keep, though its step
    /// does; or `None` for an answer that is no container program, or is asked for all of
    /// them by the exercise itself.
    pub dependable_except: Option<&'static [&'static str]>,
}

/// Names each check: `checks![reaps_orphans, passes_signals_on]`.
macro_rules! checks {
    ($($check:ident),+ $(,)?) => {
        &[$((stringify!($check), $check as $crate::suite::Check)),+]
    };
}
use checks;

/// All exercises, in the order of the chapters.
const ALL: &[Exercise] = &[
    fork_exec::EXERCISE,
    clean_env::EXERCISE,
    net_ipc::EXERCISE,
    named::EXERCISE,
    sync_pipe::EXERCISE,
    init::EXERCISE,
    clone::EXERCISE,
    rootless::EXERCISE,
    enter::EXERCISE,
    escape::EXERCISE,
    pivot_root::EXERCISE,
    overlay::EXERCISE,
    volume::EXERCISE,
    dev::EXERCISE,
    own_proc::EXERCISE,
    memory::EXERCISE,
    capabilities::EXERCISE,
    seccomp::EXERCISE,
    mydocker::EXERCISE,
];

/// Finds an exercise by its name.
///
/// # Panics
///
/// If there is none: a suite names an answer whose exercise is not in the list.
pub fn find(name: &str) -> &'static Exercise {
    let found = ALL.iter().find(|exercise| exercise.name == name);
    found.unwrap_or_else(|| panic!("no exercise is called {name}"))
}

/// An exercise, by its name, as a part of another; and the words that switch it on there.
pub type Part = (&'static str, &'static [&'static str]);

impl Exercise {
    /// The exercises that this one puts together: all of them in `mydocker`, or none.
    pub fn parts(&self) -> &'static [Part] {
        if self.name == mydocker::EXERCISE.name {
            mydocker::PARTS
        } else {
            &[]
        }
    }
}
