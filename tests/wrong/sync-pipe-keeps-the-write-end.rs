//! Wrong: the child waits for the end of the pipe, and has the write end open itself, since
//! fork copies both. A pipe ends when the last write end is closed: this child hangs.

mod right;

use std::fs;

use anyhow::Context;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, pipe, read};

fn main() {
    right::run(|mut argv| {
        let file = right::take_option(&mut argv, "--pid-file").context("find the file")?;
        unshare(CloneFlags::CLONE_NEWUTS)?;
        let (reader, writer) = pipe()?;
        let child = match right::fork()? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                // Missing: drop(writer).
                while read(&reader, &mut [0])? > 0 {}
                return right::become_command(argv);
            }
        };
        fs::write(file, format!("{child}\n"))?;
        drop(writer);
        Ok(right::exit_code(right::waitpid(child, 0)?))
    })
}
