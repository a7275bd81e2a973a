//! What only step 1 shows. What it teaches, and every later step keeps, is asked by the
//! testkit: `tests/testkit/src/lesson.rs` and `dependable.rs`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::program::Program;

fn main() -> ExitCode {
    testkit::suite!(1, "step01-run", own: [prints_the_command, executes_nothing])
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
