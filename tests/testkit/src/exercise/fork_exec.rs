//! After step 2: fork, execvp and waitpid by hand.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::{Check, checks};
use crate::dependable::{
    ends_with_126_if_the_command_cannot_be_executed, ends_with_127_if_there_is_no_such_command,
};
use crate::program::Program;

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    says_when_the_command_is_stopped_and_when_it_goes_on,
    ends_with_every_exit_status_from_0_to_255,
    ends_with_126_if_the_command_cannot_be_executed,
    ends_with_127_if_there_is_no_such_command,
    ends_with_128_and_the_signal_that_ended_the_command,
];

fn ends_with_every_exit_status_from_0_to_255(program: &Program) -> Result<()> {
    let codes: Vec<i32> = (0..=255).collect();
    // Sixteen at a time: a program in Python takes a while to start.
    for codes in codes.chunks(16) {
        let start = |code: &i32| program.run_shell(&format!("exit {code}")).start();
        let running = codes.iter().map(start).collect::<Result<Vec<_>>>()?;
        for (running, code) in running.into_iter().zip(codes) {
            running.end()?.exits(*code)?;
        }
    }
    Ok(())
}

fn ends_with_128_and_the_signal_that_ended_the_command(program: &Program) -> Result<()> {
    // 13 is SIGPIPE, which Rust and Python ignore, and a command would go on to ignore it.
    // 34 and 64 are real-time signals, which have a number and no name.
    for signal in [1, 2, 9, 13, 15, 34, 64] {
        let call = program.run(&["bash", "-c", &format!("kill -{signal} $$")]);
        call.end()?.exits(128 + signal)?;
    }
    Ok(())
}

fn says_when_the_command_is_stopped_and_when_it_goes_on(program: &Program) -> Result<()> {
    let mut running = program.run(&["sleep", "1020"]).start()?;
    let command = Pid::from_raw(program.host.find_process(&["sleep", "1020"])?);
    let send = |signal| kill(command, signal).with_context(|| format!("send {signal}"));
    send(Signal::SIGSTOP)?;
    running.wait_for_complaint("stopped")?;
    send(Signal::SIGCONT)?;
    running.wait_for_complaint("continued")?;
    // To the command itself: a program that has ended too early cannot end with this.
    send(Signal::SIGTERM)?;
    running.end()?.exits(143)?;
    Ok(())
}
