//! What only step 1 shows. The other tests of its suite stand in `tests/testkit/src`: what all
//! steps promise in `dependable.rs`, and how ours say what they do in `own.rs`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::checks;
use testkit::program::Program;
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 1,
        program: env!("CARGO_BIN_EXE_step01-run"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: checks![prints_the_command, executes_nothing],
        answers: &[],
        wrong: &[],
    })
}

fn prints_the_command(program: &Program) -> Result<()> {
    let ended = program.run(&["Hello,", "world"]).end()?;
    ended.exits(0)?.prints_only("Running [Hello, world]")?;
    Ok(())
}

fn executes_nothing(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = program.run(&["touch", "here"]).end()?;
    ended.exits(0)?.prints_only("Running [touch here]")?;
    program.host.expect_unchanged(&before)
}
