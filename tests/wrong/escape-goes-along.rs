//! Wrong: after chroot it changes directory to the new root, as step 6 says one should. So
//! it is inside again, and `..` stops there.

mod right;

use std::env;
use std::os::unix::fs::chroot;

fn main() {
    right::main(|argv| {
        chroot("/usr")?;
        env::set_current_dir("/")?;
        for _ in 0..100 {
            env::set_current_dir("..")?;
        }
        chroot(".")?;
        right::become_command(argv)
    })
}
