//! Wrong: the network namespace is there, and that is all. `lo` begins down, and a program
//! that talks to itself, as many do, finds the network unreachable.

mod right;

use nix::sched::{CloneFlags, unshare};

fn main() {
    right::run(|argv| {
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC)?;
        right::execute(argv)
    })
}
