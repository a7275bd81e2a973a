//! A kernel that refuses a system call, as it does when a machine is out of something, or is
//! not what the program has foreseen.
//!
//! Read: seccomp(2), whose filters are for a thread and all that it starts.

use std::env;
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::program::{Call, Running};

/// A system call that fails.
pub struct Refused {
    /// Its number.
    pub call: i64,
    /// An argument that it has to have: its place, the bits of it that count, and their value.
    pub argument: Option<(u8, u64, u64)>,
    /// What it fails with.
    pub errno: Errno,
}

/// Starts `call` where the kernel refuses a system call to it and to all that it starts.
///
/// # Errors
///
/// If there is no filter for this architecture, or the program cannot be started.
pub fn start<'a>(call: Call<'a>, refused: &Refused) -> Result<Running<'a>> {
    let filter = filter(refused).context("make a seccomp filter")?;
    thread::scope(|scope| {
        // In a thread of its own: what the test does afterwards is not refused.
        let starting = scope.spawn(|| {
            apply_filter(&filter).context("apply a seccomp filter")?;
            call.start()
        });
        starting.join().expect("no thread panics here")
    })
}

fn filter(refused: &Refused) -> Result<BpfProgram> {
    let mut rules = Vec::new();
    if let Some((place, bits, value)) = refused.argument {
        let operator = SeccompCmpOp::MaskedEq(bits);
        let condition = SeccompCondition::new(place, SeccompCmpArgLen::Dword, operator, value)?;
        rules.push(SeccompRule::new(vec![condition])?);
    }
    let filter = SeccompFilter::new(
        [(refused.call, rules)].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(refused.errno as u32),
        env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}
