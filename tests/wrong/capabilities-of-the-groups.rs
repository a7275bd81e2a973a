//! Wrong: another user and another group, but root's other groups stay, and with them the
//! right to what belongs to `disk` or `shadow`.

use std::env;
use std::os::unix::fs::chroot;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgid, setuid};

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
    // After `--user UID:GID`.
    let Some((uid, gid)) = argv[1].split_once(':') else {
        bail!("usage: run --user UID:GID COMMAND [ARG...]");
    };
    setgid(Gid::from_raw(gid.parse()?))?;
    setuid(Uid::from_raw(uid.parse()?))?;
    end(Command::new(&argv[2]).args(&argv[3..]))
}

fn end(command: &mut Command) -> Result<()> {
    exit(command.status()?.code().unwrap_or(1))
}
