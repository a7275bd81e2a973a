//! What only step 2 shows. What it teaches, and every later step keeps, is asked by the
//! testkit: `tests/testkit/src/lesson.rs` and `dependable.rs`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use testkit::program::Program;

fn main() -> ExitCode {
    testkit::suite!(2, "step02-exec", own: [
        shares_every_namespace,
        is_kept_from_the_files_of_this_machine,
    ], exercises: [
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

/// A test may change any file in a container. This program would change this machine's.
fn is_kept_from_the_files_of_this_machine(program: &Program) -> Result<()> {
    let script = "for folder in / /etc /root /tmp /var; do echo >$folder/written; done";
    let ended = program.run_shell(script).end()?;
    let is_there = |folder: &&str| Path::new(folder).join("written").exists();
    let written = ["/", "/etc", "/root", "/tmp", "/var"]
        .into_iter()
        .find(is_there);
    ended.expected("no file written", written.is_none())?;
    Ok(())
}
