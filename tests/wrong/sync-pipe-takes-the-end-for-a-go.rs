//! Wrong: the child goes on when the pipe ends. The parent closes it for a go, but the kernel
//! closes it, too, when the parent is killed: then a command starts that nobody waits for.

mod right;

use std::fs;

use anyhow::Context;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, pipe, read};

fn main() {
    right::run(|mut argv| {
        let file = right::take_option(&mut argv, "--pid-file");
        unshare(CloneFlags::CLONE_NEWUTS)?;
        let (reader, writer) = pipe()?;
        let child = match right::fork()? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                drop(writer);
                while read(&reader, &mut [0])? > 0 {}
                drop(reader);
                return right::become_command(argv);
            }
        };
        if let Some(file) = file {
            fs::write(file, format!("{child}\n")).context(file.to_owned())?;
        }
        drop(writer);
        Ok(right::exit_code(right::waitpid(child, 0)?))
    })
}
