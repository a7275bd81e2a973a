//! What the tools have in common: how one begins and ends, prints, finds programs, and
//! writes a file.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{AccessFlags, access};

/// Does what a tool does. If that fails, it says why, and the exit status is 125.
pub fn run(tool: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    reset_sigchld()
        .and_then(|()| tool())
        .unwrap_or_else(|error| {
            // If standard error is closed, the exit status alone has to tell.
            writeln!(io::stderr(), "error: {error:#}").ok();
            ExitCode::from(125)
        })
}

/// Lets this process wait for what it starts. A caller may ignore SIGCHLD, and we inherit that:
/// the kernel then keeps no exit status of a child (wait(2)).
fn reset_sigchld() -> Result<()> {
    #[expect(unsafe_code, reason = "nix has no safe function for it")]
    // SAFETY: the default action is no handler: no code of ours will run at a signal.
    let reset = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    reset.map(drop).context("reset SIGCHLD")
}

/// Prints `text`, with which all is well. `print!` would panic if nobody reads it, or if the
/// disk is full.
///
/// # Errors
///
/// In these cases.
pub fn print(text: &str) -> Result<ExitCode> {
    let mut stdout = io::stdout();
    let printed = stdout.write_all(text.as_bytes());
    let printed = printed.and_then(|()| stdout.flush());
    printed.context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// A text that has at most so many characters. `…` stands for what it has lost.
pub fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let start: String = text.chars().take(room - 1).collect();
    start + "…"
}

/// Where in PATH a program is: the number of the folder, and the program's path.
pub fn find_in_path(name: impl AsRef<OsStr>) -> Option<(usize, PathBuf)> {
    let folders = env::var_os("PATH")?;
    let paths = env::split_paths(&folders).map(|folder| folder.join(name.as_ref()));
    paths.enumerate().find(|(_, path)| can_execute(path))
}

/// Whether there is a program that we may execute (access(2)).
pub fn can_execute(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

/// Checks that the program at `path`, which the user calls `shown`, can be started.
///
/// # Errors
///
/// If there is nothing, or no file, or one that we may not execute.
pub fn expect_program(path: &Path, shown: &str) -> Result<()> {
    ensure!(path.exists(), "there is no program {shown}");
    ensure!(
        path.is_file(),
        "{shown} is no program, but a folder or the like"
    );
    access(path, AccessFlags::X_OK).with_context(|| {
        format!("{shown} cannot be executed (a script needs `chmod +x` and a line `#!`)")
    })
}

/// Writes a file under another name, and renames it when it is whole: a full disk leaves what
/// was there.
///
/// # Errors
///
/// If it cannot be written.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}
