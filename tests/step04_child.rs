//! What only step 4 and its answers show. The other tests of its suite stand in
//! `tests/testkit/src`: what it teaches in `lesson.rs` (`sets_the_hostname_before_the_command_starts`), what
//! makes it trustworthy in `dependable.rs`, how ours say what they do in `own.rs`, and what each
//! of its exercises asks for in `exercise/NAME.rs`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::answers::never_outlives_run;
use testkit::checks;
use testkit::program::Program;
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 4,
        program: env!("CARGO_BIN_EXE_step04-child"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: checks![
            announces_the_command_twice,
            has_a_pid_of_the_host,
            sync_pipe_never_outlives_run
        ],
        answers: &[],
        wrong: &[
            (
                "named-draws-twice",
                "named::has_the_first_12_characters_as_hostname",
            ),
            (
                "sync-pipe-keeps-the-write-end",
                "sync-pipe::starts_the_command_once_the_pid_is_read",
            ),
            (
                "sync-pipe-takes-the-end-for-a-go",
                "sync-pipe::never_starts_the_command_if_run_ends_first",
            ),
        ],
    })
}

fn announces_the_command_twice(program: &Program) -> Result<()> {
    let ended = program.run(&["echo", "hello"]).end()?;
    let lines = "Running [echo hello]\nRunning in child [echo hello]\nhello";
    ended.exits(0)?.prints_only(lines)?;
    Ok(())
}

fn has_a_pid_of_the_host(program: &Program) -> Result<()> {
    let mut running = program.run_shell("echo $$; exec sleep 1000").start()?;
    let pid = program.host.find_process(&["sleep", "1000"])?;
    running.wait_for(&pid.to_string())
}

fn sync_pipe_never_outlives_run(program: &Program) -> Result<()> {
    let calls = ["prctl", "read", "close", "fcntl", "sethostname"];
    never_outlives_run(&program.answer("sync-pipe", &[]), &calls)
}
