//! Wrong: SECCOMP_RET_ERRNO without an errno in it. The call is not made, and says that it has
//! worked: `mount` mounts nothing, and is content.

use std::env;
use std::os::unix::fs::chroot;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_no_new_privs;

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    match argv.first().map(String::as_str) {
        Some("run") => run(&argv[1..]),
        Some("child") => child(&argv[1..]),
        _ => bail!("usage: run COMMAND [ARG...]"),
    }
}

fn run(argv: &[String]) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    end(Command::new("/proc/self/exe").arg("child").args(argv))
}

fn child(argv: &[String]) -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    chroot(env::var("ROOTFS")?.as_str())?;
    env::set_current_dir("/")?;
    let flags = MsFlags::empty();
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?;
    set_no_new_privs()?;
    install_filter()?;
    end(Command::new(&argv[0]).args(&argv[1..]))
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

fn end(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    exit(status.code().unwrap_or(159))
}
