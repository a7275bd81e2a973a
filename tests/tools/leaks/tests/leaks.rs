//! What `leaks` sees of the steps and of other containers.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    // One root filesystem for all of these tests.
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("leaks");
    let rootfs = rootfs::make_once(&scratch).expect("make a root filesystem");
    let variables = [("ROOTFS", &*rootfs)];
    scripted::run(
        include_str!("leaks.sh"),
        env!("CARGO_BIN_EXE_leaks"),
        &variables,
    )
}
