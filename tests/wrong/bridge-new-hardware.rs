//! Wrong: an address that has become free is given to a container with another hardware address.
//! Who has talked to that address goes on talking to the old hardware, for half a minute or so.

mod right;

use nix::sched::{CloneFlags, unshare};

fn main() {
    let run = |argv: &[String]| {
        let _on_host = right::plug_in(false)?;
        unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
        Ok(right::exit_code(right::start_child(argv)?.wait()?))
    };
    let child = |argv: &[String]| {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        right::enter_root_with_proc()?;
        right::become_command(argv)
    };
    right::run_and_child(run, child)
}
