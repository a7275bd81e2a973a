//! Wrong: the new /proc lies over the old one, which is still there beneath. `ps` looks
//! right, and so nobody asks what `umount /proc` brings to light.

use std::env;
use std::process::{Command, exit};

use anyhow::{Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<()> {
    let argv: Vec<String> = env::args().skip(1).collect();
    match argv.first().map(String::as_str) {
        Some("run") => run(&argv[1..]),
        Some("child") => child(&argv[1..]),
        _ => bail!("usage: run COMMAND [ARG...]"),
    }
}

fn run(argv: &[String]) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    end(Command::new("/proc/self/exe").arg("child").args(argv))
}

fn child(argv: &[String]) -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        MsFlags::empty(),
        None::<&str>,
    )?;
    end(Command::new(&argv[0]).args(&argv[1..]))
}

fn end(command: &mut Command) -> Result<()> {
    exit(command.status()?.code().unwrap_or(1))
}
