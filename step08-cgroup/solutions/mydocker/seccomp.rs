//! A filter in front of all system calls.
//!
//! Read: seccomp(2), and `userspace-api/seccomp_filter.rst` and `networking/filter.rst` in
//! the kernel's documentation.

use std::env;
use std::mem::offset_of;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_no_new_privs;

/// The system calls that are refused: what changes the machine, and not the container alone.
/// Docker's list is longer, and it is of the calls that are allowed.
const REFUSED: &[libc::c_long] = &[
    // Mounts, and since Linux 5.2 there is a second way to make them.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel itself.
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    // The clock, and the swap space.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // Keys, which are in no namespace, and files by their number, in any folder.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
];

/// Puts a filter in front of all system calls, ours too. It stays across fork and execve,
/// and nobody can take it away.
pub fn refuse_system_calls() -> Result<()> {
    // Else a filter takes CAP_SYS_ADMIN: with one, a setuid program could be made to believe
    // that its setuid(2) had worked.
    set_no_new_privs().context("set no_new_privs")?;
    let mut filter = filter()?;
    let program = libc::sock_fprog {
        len: filter.len().try_into().context("count the instructions")?,
        filter: filter.as_mut_ptr(),
    };
    let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: the kernel copies `len` instructions from `filter`, which outlives the call.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &program) };
    Errno::result(result).context("install the filter of system calls")?;
    Ok(())
}

/// Writes the filter: a program for a small machine with one register. It can load a part of
/// `seccomp_data`, compare, jump forward, and return an answer.
fn filter() -> Result<Vec<libc::sock_filter>> {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let is_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let is_at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    // The errno is in the lower half. Without one the call would seem to have worked.
    let eperm = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    let mut filter = vec![
        // The numbers mean other calls to another architecture: x86-64 also runs 32-bit
        // programs, and lets 64-bit ones make their calls.
        step(load, offset_of!(libc::seccomp_data, arch) as u32),
        jump(is_equal, architecture()?, 1, 0),
        step(answer, libc::SECCOMP_RET_KILL_PROCESS),
        step(load, offset_of!(libc::seccomp_data, nr) as u32),
        // With this bit set, x86-64 has the same calls once more (x32).
        jump(is_at_least, 0x4000_0000, 0, 1),
        step(answer, eperm),
    ];
    for number in REFUSED {
        filter.push(jump(is_equal, *number as u32, 0, 1));
        filter.push(step(answer, eperm));
    }
    filter.push(step(answer, libc::SECCOMP_RET_ALLOW));
    Ok(filter)
}

/// An instruction: what to do, and with which value.
fn step(code: u32, value: u32) -> libc::sock_filter {
    jump(code, value, 0, 0)
}

/// A comparison of the register with `value`, and how many instructions to skip then.
fn jump(code: u32, value: u32, if_true: u8, if_false: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: if_true,
        jf: if_false,
        k: value,
    }
}

/// What `linux/audit.h` calls the processor.
fn architecture() -> Result<u32> {
    match env::consts::ARCH {
        "x86_64" => Ok(0xc000_003e),
        "aarch64" => Ok(0xc000_00b7),
        other => bail!("no filter for {other} has been written yet"),
    }
}
