//! Wrong: this process gives its capabilities up, and the bounding set is left as it was. That
//! set is what execve(2) gives to root: only `no_new_privs` is still in the way.

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
    give_capabilities_up()?;
    set_no_new_privs()?;
    end(Command::new(&argv[0]).args(&argv[1..]))
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

fn end(command: &mut Command) -> Result<()> {
    exit(command.status()?.code().unwrap_or(1))
}
