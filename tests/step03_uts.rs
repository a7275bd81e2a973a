//! What only step 3 and its answers show. The other tests of its suite stand in
//! `tests/testkit/src`: what it teaches in `lesson.rs` (`keeps_a_new_hostname_inside`), what
//! makes it trustworthy in `dependable.rs`, how ours say what they do in `own.rs`, and what each
//! of its exercises asks for in `exercise/NAME.rs`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::checks;
use testkit::host::HOSTNAME;
use testkit::program::Program;
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 3,
        program: env!("CARGO_BIN_EXE_step03-uts"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: checks![starts_with_the_hostname_of_the_host],
        answers: &[],
        wrong: &[("net-ipc-leaves-lo-down", "net-ipc::reaches_itself_over_lo")],
    })
}

fn starts_with_the_hostname_of_the_host(program: &Program) -> Result<()> {
    program
        .run(&["hostname"])
        .end()?
        .exits(0)?
        .prints(HOSTNAME)?;
    Ok(())
}
