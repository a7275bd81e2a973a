//! What `progress` says of programs, and what it has the user do next.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let variables = [
        ("TOP", &*package.join("../../..")),
        ("FAKE", &*package.join("tests/fake")),
    ];
    let program = env!("CARGO_BIN_EXE_progress");
    scripted::run(include_str!("progress.sh"), program, &variables)
}
