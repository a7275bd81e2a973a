//! What the doctor says of many machines.

use std::process::ExitCode;

fn main() -> ExitCode {
    scripted::run(include_str!("doctor.sh"), env!("CARGO_BIN_EXE_doctor"), &[])
}
