//! What only step 2 shows. What it teaches, and every later step keeps, is asked by the
//! testkit: `tests/testkit/src/lesson.rs` and `dependable.rs`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::own::announces_the_command;
use testkit::program::Program;

fn main() -> ExitCode {
    testkit::suite!(2, "step02-exec", own: [announces_the_command, shares_every_namespace], exercises: [
        "fork-exec": wrong [
            "fork-exec-ends-at-a-stop" fails "says_when_the_command_is_stopped_and_when_it_goes_on",
            "fork-exec-fails-with-1" fails "ends_with_127_if_there_is_no_such_command",
        ],
        "clean-env",
    ])
}

fn shares_every_namespace(program: &Program) -> Result<()> {
    for namespace in ["uts", "pid", "mnt", "cgroup", "ipc", "net", "user"] {
        let name = program.host.namespace(namespace)?;
        let path = format!("/proc/self/ns/{namespace}");
        program
            .run(&["readlink", &path])
            .end()?
            .exits(0)?
            .prints(&name)?;
    }
    Ok(())
}
