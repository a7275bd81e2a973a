//! Wrong: the low byte of clone's flags is 0. The kernel then sends no signal when the child
//! ends, and waitpid, which looks only for children that send SIGCHLD, answers ECHILD.

mod right;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, clone};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::sethostname;

fn main() {
    right::run(|argv| {
        let start = Box::new(|| child(argv).unwrap_or(125) as isize);
        let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID;
        let mut stack = vec![0; 1 << 20];
        #[expect(unsafe_code, reason = "nix has no safe clone")]
        // SAFETY: there is one thread, and the child has a copy of the memory.
        let child = unsafe { clone(start, &mut stack, flags, None) }?;
        eprintln!("child: {child}");
        let status = right::waitpid(child, 0).context("waitpid")?;
        Ok(right::exit_code(status))
    })
}

fn child(argv: &[String]) -> Result<i32> {
    set_pdeathsig(Signal::SIGKILL)?;
    sethostname("container")?;
    right::execute(argv)
}
