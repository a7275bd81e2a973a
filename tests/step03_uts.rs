//! What only step 3 shows. What it teaches, and every later step keeps, is asked by the
//! testkit: `tests/testkit/src/lesson.rs` and `dependable.rs`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::host::HOSTNAME;
use testkit::program::Program;

fn main() -> ExitCode {
    testkit::suite!(3, "step03-uts", own: [starts_with_the_hostname_of_the_host], exercises: [
        "net-ipc": wrong ["net-ipc-leaves-lo-down" fails "reaches_itself_over_lo"],
    ])
}

fn starts_with_the_hostname_of_the_host(program: &Program) -> Result<()> {
    program
        .run(&["hostname"])
        .end()?
        .exits(0)?
        .prints(HOSTNAME)?;
    Ok(())
}
