//! Wrong: `run` draws an ID and prints it, and `child`, a second start of the same program,
//! draws another for the hostname. Memory does not outlive exec: what `child` has to know,
//! it must be told.

use std::env;
use std::fs::File;
use std::io::Read;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    let mut id = String::new();
    let mut byte = [0];
    while id.len() < 64 {
        File::open("/dev/urandom")?.read_exact(&mut byte)?;
        let character = char::from(byte[0]);
        if character.is_ascii_lowercase() || character.is_ascii_digit() {
            id.push(character);
        }
    }
    let args: Vec<String> = env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = match args[..] {
        [_, "run", ref rest @ ..] if !rest.is_empty() => {
            println!("{id}");
            unshare(CloneFlags::CLONE_NEWUTS)?;
            let mut command = Command::new("/proc/self/exe");
            command.arg("child").args(rest);
            command
        }
        [_, "child", "--name", name, "--", command, ref args @ ..]
        | [_, "child", "--name", name, command, ref args @ ..] => {
            sethostname(name)?;
            let mut command = Command::new(command);
            command.args(args);
            command
        }
        [_, "child", command, ref args @ ..] if !command.starts_with('-') => {
            sethostname(&id[..12])?;
            let mut command = Command::new(command);
            command.args(args);
            command
        }
        _ => bail!("usage: run [--name NAME] [--] COMMAND"),
    };
    Ok(ExitCode::from(u8::try_from(
        command.status()?.code().unwrap_or(125),
    )?))
}
