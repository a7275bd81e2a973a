//! Wrong: SECCOMP_RET_ERRNO without an errno in it. The call is not made, and says that it has
//! worked: `mount` mounts nothing, and is content.

mod right;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_no_new_privs;

fn main() {
    right::container(|argv| {
        right::enter_root_with_proc()?;
        set_no_new_privs()?;
        install_filter()?;
        right::execute(argv)
    })
}

fn install_filter() -> Result<()> {
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    // Load the number; answer at each of these; else allow.
    let mut filter = vec![step(0x20, 0, 0)];
    for number in [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_setns,
    ] {
        filter.push(step(0x15, 1, number as u32));
        filter.push(step(0x06, 0, libc::SECCOMP_RET_ERRNO));
    }
    filter.push(step(0x06, 0, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: the kernel copies the instructions, which outlive the call.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &program) };
    Errno::result(result)?;
    Ok(())
}
