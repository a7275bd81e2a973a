//! Wrong: this process gives its capabilities up, and the bounding set is left as it was. That
//! set is what execve(2) gives to root: only `no_new_privs` is still in the way.

mod right;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_no_new_privs;

fn main() {
    right::container(|argv| {
        right::enter_root_with_proc()?;
        give_capabilities_up()?;
        set_no_new_privs()?;
        right::execute(argv)
    })
}

fn give_capabilities_up() -> Result<()> {
    let header = [0x2008_0522_u32, 0];
    // Effective, permitted and inheritable, twice: what Docker keeps, and no MKNOD.
    let sets = [0xa004_25fb_u32, 0xa004_25fb, 0, 0, 0, 0];
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: the kernel reads two numbers of 32 bits, and six, as they are there.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, &sets) };
    Errno::result(result)?;
    Ok(())
}
