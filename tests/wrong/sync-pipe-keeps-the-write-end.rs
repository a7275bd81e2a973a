//! Wrong: the child waits for the end of the pipe, and has the write end open itself, since
//! fork copies both. A pipe ends when the last write end is closed: this child hangs.

use std::env;
use std::ffi::CString;
use std::fs;
use std::process::{self, ExitCode};

use anyhow::{Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, execvp, fork, pipe, read};

fn main() -> Result<ExitCode> {
    let args: Vec<CString> = env::args().map(CString::new).collect::<Result<_, _>>()?;
    let [_, _run, _pid_file, file, argv @ ..] = &args[..] else {
        bail!("usage: run --pid-file FILE COMMAND");
    };
    unshare(CloneFlags::CLONE_NEWUTS)?;
    let (reader, writer) = pipe()?;
    #[expect(unsafe_code, reason = "nix has no safe fork")]
    // SAFETY: there is one thread.
    let child = match unsafe { fork()? } {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            // Missing: drop(writer).
            while read(&reader, &mut [0])? > 0 {}
            execvp(&argv[0], argv)?;
            process::exit(127);
        }
    };
    fs::write(file.to_str()?, format!("{child}\n"))?;
    drop(writer);
    match waitpid(child, None)? {
        WaitStatus::Exited(_, code) => Ok(ExitCode::from(u8::try_from(code)?)),
        status => bail!("{status:?}"),
    }
}
