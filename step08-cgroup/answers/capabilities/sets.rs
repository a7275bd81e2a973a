//! The sets of capabilities that a process has, and that it can be given.
//!
//! Read: capabilities(7), prctl(2), capset(2).

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_no_new_privs;

/// What `child` needs once the command runs, and before that to make it another user: KILL,
/// with which it passes signals on to that user, SETGID and SETUID.
const OURS: u64 = 1 << 5 | 1 << 6 | 1 << 7;

/// Takes all capabilities but these away from the command, and from all that it starts.
pub fn drop_capabilities(kept: u64) -> Result<()> {
    // This takes CAP_SETPCAP, and so comes first.
    limit_bounding_set(kept)?;
    // We are left with more than the command: what it gets at execve(2) is the other set.
    limit_own_sets(kept | OURS)?;
    // And a file that is setuid, or has capabilities, gives none to who executes it.
    set_no_new_privs().context("set no_new_privs")
}

/// Takes capabilities out of the bounding set: the most that execve(2) ever gives. When root
/// executes a program, it gives all of that, whatever root had left before.
fn limit_bounding_set(kept: u64) -> Result<()> {
    for number in (0..u64::BITS).filter(|number| kept & (1 << number) == 0) {
        let number = libc::c_ulong::from(number);
        #[expect(unsafe_code, reason = "nix has no function for it")]
        // SAFETY: with this option prctl(2) takes a number, and touches no memory.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) };
        match Errno::result(result) {
            // The kernel knows no capability of this number, and none of a higher one.
            Err(Errno::EINVAL) => break,
            result => result.with_context(|| format!("drop capability {number}"))?,
        };
    }
    Ok(())
}

/// The first argument of capget(2) and capset(2): a pid of 0 is the caller.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// Their second one: 32 of the bits of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`, which has room for 64 capabilities.
const VERSION_3: u32 = 0x2008_0522;

/// Takes capabilities away from this process: those in force, those it may put in force
/// again, and those that would outlive execve(2) beside the bounding set.
fn limit_own_sets(kept: u64) -> Result<()> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut sets = [Sets::default(); 2];
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: in version 3, capget(2) writes to two such structures. Both have the layout
    // that the kernel gives them, and outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &header, &mut sets) };
    Errno::result(result).context("get the capabilities")?;
    for (set, kept) in sets.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        set.effective &= kept;
        set.permitted &= kept;
        set.inheritable = 0;
    }
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: capset(2) reads what capget(2) has written.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, &sets) };
    Errno::result(result).context("set the capabilities")?;
    Ok(())
}
