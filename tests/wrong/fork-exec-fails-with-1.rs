//! Wrong: a child that cannot execute the command ends with 1, as a C program's
//! `perror` and `exit(EXIT_FAILURE)` do. A caller cannot tell that from a command's own 1.

mod right;

use std::os::unix::process::{CommandExt, ExitStatusExt};

use nix::unistd::ForkResult;

fn main() {
    right::run(|argv| match right::fork()? {
        ForkResult::Child => {
            eprintln!("{}: {}", argv[0], right::command(argv)?.exec());
            Ok(1)
        }
        ForkResult::Parent { child } => loop {
            let status = right::waitpid(child, libc::WUNTRACED | libc::WCONTINUED)?;
            if let Some(number) = status.stopped_signal() {
                eprintln!("stopped by signal {number}");
            } else if status.continued() {
                eprintln!("continued");
            } else {
                return Ok(right::exit_code(status));
            }
        },
    })
}
