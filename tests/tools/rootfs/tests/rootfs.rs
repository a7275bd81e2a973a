//! What `rootfs` does, in good places and in bad ones.

use std::process::ExitCode;

fn main() -> ExitCode {
    scripted::run(include_str!("rootfs.sh"), env!("CARGO_BIN_EXE_rootfs"), &[])
}
