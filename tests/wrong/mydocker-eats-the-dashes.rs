//! Wrong: `--name` takes the next word, whatever it is. In `--name -- /bin/sh` that is `--`,
//! and so the container is called `--`: an option whose value may be left out has to look.

use std::env;
use std::ffi::OsString;
use std::process::{Command, exit};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn main() -> Result<()> {
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    ensure!(
        args.len() > 4,
        "usage: --action run --name [NAME] -- COMMAND"
    );
    ensure!(args[..3] == ["--action", "run", "--name"], "usage");
    let id = "abcdefgh12345678".repeat(4);
    println!("{id}");
    let name = args.get(3).context("find the name")?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    let rest = args[4..].iter().skip_while(|word| *word == "--");
    let argv: Vec<&OsString> = rest.collect();
    let status = Command::new(argv[0]).args(&argv[1..]).status()?;
    exit(status.code().unwrap_or(125))
}
