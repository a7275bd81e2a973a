//! Wrong: waitpid has no loop around it. With WUNTRACED it returns for a command that is
//! only stopped, and this takes every return for an end.

use std::env;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, execvp, fork};

fn main() -> Result<ExitCode> {
    let argv: Vec<CString> = env::args_os()
        .skip(2)
        .map(|arg| CString::new(arg.as_bytes()))
        .collect::<Result<_, _>>()?;
    #[expect(unsafe_code, reason = "nix has no safe fork")]
    // SAFETY: there is one thread.
    let child = match unsafe { fork()? } {
        ForkResult::Child => return become_command(&argv),
        ForkResult::Parent { child } => child,
    };
    let mut status = 0;
    let options = libc::WUNTRACED | libc::WCONTINUED;
    #[expect(unsafe_code, reason = "nix's waitpid fails after a real-time signal")]
    // SAFETY: `status` is an int to write to.
    let pid = unsafe { libc::waitpid(child.as_raw(), &raw mut status, options) };
    Errno::result(pid)?;
    let status = ExitStatus::from_raw(status);
    if let Some(number) = status.stopped_signal() {
        eprintln!("stopped by signal {number}");
    }
    let signal = status.signal().or(status.stopped_signal());
    let code = status.code().or(signal.map(|number| 128 + number));
    Ok(ExitCode::from(u8::try_from(code.unwrap_or(125))?))
}

fn become_command(argv: &[CString]) -> Result<ExitCode> {
    #[expect(unsafe_code, reason = "nix cannot tell which handlers are safe")]
    // SAFETY: the default action is no handler.
    unsafe {
        signal(Signal::SIGPIPE, SigHandler::SigDfl)?
    };
    let Err(errno) = execvp(&argv[0], argv);
    eprintln!("{}: {}", argv[0].to_string_lossy(), io::Error::from(errno));
    Ok(ExitCode::from(if errno == Errno::ENOENT {
        127
    } else {
        126
    }))
}
