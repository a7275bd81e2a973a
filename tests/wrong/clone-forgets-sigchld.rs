//! Wrong: the low byte of clone's flags is 0. The kernel then sends no signal when the child
//! ends, and waitpid, which looks only for children that send SIGCHLD, answers ECHILD.

use std::env;
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, clone};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::sethostname;

fn main() -> ExitCode {
    let argv: Vec<_> = env::args_os().skip(2).collect();
    let start = Box::new(|| {
        set_pdeathsig(Signal::SIGKILL).expect("set the signal");
        sethostname("container").expect("set the hostname");
        let status = Command::new(&argv[0]).args(&argv[1..]).status();
        let code = status.ok().and_then(|status| status.code());
        code.unwrap_or(125) as isize
    });
    let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID;
    let mut stack = vec![0; 1 << 20];
    #[expect(unsafe_code, reason = "nix has no safe clone")]
    // SAFETY: there is one thread, and the child has a copy of the memory.
    let child = unsafe { clone(start, &mut stack, flags, None) }.expect("clone");
    eprintln!("child: {child}");
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => ExitCode::from(code as u8),
        other => {
            eprintln!("waitpid: {other:?}");
            ExitCode::from(125)
        }
    }
}
