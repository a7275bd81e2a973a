//! Wrong: the child goes on when the pipe ends. The parent closes it for a go, but the kernel
//! closes it, too, when the parent is killed: then a command starts that nobody waits for.

use std::env;
use std::ffi::CString;
use std::fs;
use std::process::{self, ExitCode};

use anyhow::{Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, execvp, fork, pipe, read};

fn main() -> ExitCode {
    start().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(125)
    })
}

fn start() -> Result<ExitCode> {
    let args: Vec<String> = env::args().skip(2).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (file, argv) = match args[..] {
        ["--pid-file", file, "--", ref argv @ ..] => (Some(file), argv),
        ["--pid-file", file, ref argv @ ..] => (Some(file), argv),
        [option, ..] if option.starts_with('-') => (None, &[][..]),
        ref argv => (None, argv),
    };
    if argv.is_empty() {
        bail!("usage: run [--pid-file FILE] [--] COMMAND");
    }
    run(file, argv)
}

fn run(file: Option<&str>, argv: &[&str]) -> Result<ExitCode> {
    let argv: Vec<CString> = argv
        .iter()
        .copied()
        .map(CString::new)
        .collect::<Result<_, _>>()?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    let (reader, writer) = pipe()?;
    #[expect(unsafe_code, reason = "nix has no safe fork")]
    // SAFETY: there is one thread.
    let child = match unsafe { fork()? } {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            drop(writer);
            while read(&reader, &mut [0])? > 0 {}
            drop(reader);
            execvp(&argv[0], &argv)?;
            process::exit(127);
        }
    };
    if let Some(file) = file {
        fs::write(file, format!("{child}\n")).map_err(|e| anyhow::anyhow!("{file}: {e}"))?;
    }
    drop(writer);
    match waitpid(child, None)? {
        WaitStatus::Exited(_, code) => Ok(ExitCode::from(u8::try_from(code)?)),
        status => bail!("{status:?}"),
    }
}
