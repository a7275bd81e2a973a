//! What only step 2 and its answers show. The other tests of its suite stand in
//! `tests/testkit/src`: what it teaches in `lesson.rs` (`executes_the_command`), what
//! makes it trustworthy in `dependable.rs`, how ours say what they do in `own.rs`, and what each
//! of its exercises asks for in `exercise/NAME.rs`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use testkit::checks;
use testkit::program::Program;
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 2,
        program: env!("CARGO_BIN_EXE_step02-exec"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: checks![
            shares_every_namespace,
            is_kept_from_the_files_of_this_machine
        ],
        answers: &[],
        wrong: &[
            (
                "fork-exec-ends-at-a-stop",
                "fork-exec::says_when_the_command_is_stopped_and_when_it_goes_on",
            ),
            (
                "fork-exec-fails-with-1",
                "fork-exec::ends_with_127_if_there_is_no_such_command",
            ),
        ],
    })
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
