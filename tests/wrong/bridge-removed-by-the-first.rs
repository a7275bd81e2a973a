//! Wrong: who ends removes the bridge, whoever else has a cable to it. Alone one does not notice.

mod right;

use nix::sched::{CloneFlags, unshare};

fn main() {
    let run = |argv: &[String]| {
        let on_host = right::plug_in(true)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let status = right::start_child(argv)?.wait()?;
        on_host("link delete boxes")?;
        Ok(right::exit_code(status))
    };
    let child = |argv: &[String]| {
        right::enter_root_with_proc()?;
        right::become_command(argv)
    };
    right::run_and_child(run, child)
}
