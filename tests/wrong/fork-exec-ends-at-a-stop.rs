//! Wrong: waitpid has no loop around it. With WUNTRACED it returns for a command that is
//! only stopped, and this takes every return for an end.

mod right;

use std::os::unix::process::ExitStatusExt;

use nix::unistd::ForkResult;

fn main() {
    right::run(|argv| match right::fork()? {
        ForkResult::Child => right::become_command(argv),
        ForkResult::Parent { child } => {
            let status = right::waitpid(child, libc::WUNTRACED | libc::WCONTINUED)?;
            let Some(number) = status.stopped_signal() else {
                return Ok(right::exit_code(status));
            };
            eprintln!("stopped by signal {number}");
            Ok(128 + number)
        }
    })
}
