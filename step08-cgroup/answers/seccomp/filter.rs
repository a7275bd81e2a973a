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
/// Such a list ages: each new call is allowed until somebody thinks of it. So Docker's is one of
/// the calls that are allowed, and much longer.
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
    OPEN_TREE_ATTR,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel itself.
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    #[cfg(not(target_arch = "x86"))]
    KEXEC_FILE_LOAD,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_syslog,
    #[cfg(not(target_arch = "aarch64"))]
    libc::SYS_iopl,
    #[cfg(not(target_arch = "aarch64"))]
    libc::SYS_ioperm,
    // The clock, the swap space, and what is counted for users.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Keys, which are in no namespace, and files of any folder: by their number, or as soon as
    // somebody opens them.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // The terminal, which is the host's.
    libc::SYS_vhangup,
    // Requests that no filter sees, and page faults that wait for as long as one likes: both
    // have helped many an attack on the kernel.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // 32-bit x86 has some of these twice: without flags, or with times after 2038.
    #[cfg(target_arch = "x86")]
    libc::SYS_umount,
    #[cfg(target_arch = "x86")]
    libc::SYS_stime,
    #[cfg(target_arch = "x86")]
    CLOCK_SETTIME64,
    #[cfg(target_arch = "x86")]
    CLOCK_ADJTIME64,
];

/// Since Linux 6.15, and since 5.2 the number of a new call is the same on all architectures.
const OPEN_TREE_ATTR: libc::c_long = 467;

/// musl's headers for aarch64 do not have it, and 32-bit x86 has no such call.
#[cfg(not(target_arch = "x86"))]
const KEXEC_FILE_LOAD: libc::c_long = if cfg!(target_arch = "x86_64") {
    320
} else {
    294
};

#[cfg(target_arch = "x86")]
const CLOCK_SETTIME64: libc::c_long = 404;
#[cfg(target_arch = "x86")]
const CLOCK_ADJTIME64: libc::c_long = 405;

/// The flags of clone(2) that make namespaces.
const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

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

/// Instructions for a small machine with one register: load a part of `seccomp_data` into it,
/// compare it and jump forward, and return an answer.
const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IS_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IS_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const HAS_ANY_OF: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const ANSWER: u32 = libc::BPF_RET | libc::BPF_K;

/// Answers. The errno is in the lower half: without one the call would seem to have worked.
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Where the number of the call is, and the lower half of its arguments.
const NUMBER: u32 = offset_of!(libc::seccomp_data, nr) as u32;
const ARGUMENTS: u32 = offset_of!(libc::seccomp_data, args) as u32;

/// Writes the filter.
fn filter() -> Result<Vec<libc::sock_filter>> {
    let mut filter = vec![
        // The numbers mean other calls to another architecture: x86-64 also runs 32-bit
        // programs, and lets 64-bit ones make their calls.
        step(LOAD, offset_of!(libc::seccomp_data, arch) as u32),
        jump(IS_EQUAL, architecture()?, 1, 0),
        step(ANSWER, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, NUMBER),
        // With this bit set, x86-64 has the same calls once more (x32).
        jump(IS_AT_LEAST, 0x4000_0000, 0, 1),
        step(ANSWER, EPERM),
    ];
    for number in REFUSED {
        filter.push(jump(IS_EQUAL, *number as u32, 0, 1));
        filter.push(step(ANSWER, EPERM));
    }
    // Its flags lie behind a pointer, and a filter cannot follow that. "No such call" sends a C
    // library back to clone(2).
    filter.push(jump(IS_EQUAL, libc::SYS_clone3 as u32, 0, 1));
    filter.push(step(ANSWER, ENOSYS));
    filter.extend(refuse_if(libc::SYS_clone, 0, HAS_ANY_OF, NAMESPACES as u32));
    // These type into the terminal, for the shell that comes after us.
    filter.extend(refuse_if(
        libc::SYS_ioctl,
        1,
        IS_EQUAL,
        libc::TIOCSTI as u32,
    ));
    filter.extend(refuse_if(
        libc::SYS_ioctl,
        1,
        IS_EQUAL,
        libc::TIOCLINUX as u32,
    ));
    filter.push(step(ANSWER, libc::SECCOMP_RET_ALLOW));
    Ok(filter)
}

/// Refuses a call if one of its arguments, of which the lower half counts, passes a test.
fn refuse_if(number: libc::c_long, argument: u32, test: u32, value: u32) -> [libc::sock_filter; 5] {
    [
        jump(IS_EQUAL, number as u32, 0, 4),
        step(LOAD, ARGUMENTS + 8 * argument),
        jump(test, value, 0, 1),
        step(ANSWER, EPERM),
        step(LOAD, NUMBER),
    ]
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
        "x86" => Ok(0x4000_0003),
        "x86_64" => Ok(0xc000_003e),
        "aarch64" => Ok(0xc000_00b7),
        other => bail!("no filter for {other} has been written yet"),
    }
}
