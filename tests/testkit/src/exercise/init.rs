//! After step 5: PID 1 that reaps orphans and passes on all signals.

use anyhow::{Context, Result};
use kernelfiles::process::{self, is_zombie, parent};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::{Check, checks};
use crate::patience::until;
use crate::program::Program;

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    passes_signals_on,
    passes_on_what_the_command_sends_to_pid_1,
    leaves_no_zombie,
    ends_with_the_command_and_not_with_an_orphan,
];

/// What bash does for some seconds, so that a trap can come in between.
const A_WHILE: &str = "for i in {1..100}; do sleep 0.03; done";

fn passes_signals_on(program: &Program) -> Result<()> {
    use Signal::{SIGALRM, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2};
    for signal in [SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGALRM] {
        let trap = format!("trap 'echo caught; exit 7' {signal}");
        let script = format!("{trap}; echo started; {A_WHILE}");
        let running = program.run(&["bash", "-c", &script]).started()?;
        running.end_with(signal)?.exits(7)?.prints("caught")?;
    }
    Ok(())
}

fn passes_on_what_the_command_sends_to_pid_1(program: &Program) -> Result<()> {
    // Without a PID namespace, PID 1 would be this machine's.
    let is_inside = "[ $$ = 1 ] || [ $PPID = 1 ] || exit 3";
    let script = format!("{is_inside}; trap 'echo caught; exit 7' USR1; kill -USR1 1; {A_WHILE}");
    let call = program.run(&["bash", "-c", &script]);
    call.end()?.exits(7)?.prints("caught")?;
    Ok(())
}

/// A process is an orphan once the shell in between has ended.
const THREE_ORPHANS: &str = "for i in 1 2 3; do (sleep 105$i &); done; exec sleep 1050";

fn leaves_no_zombie(program: &Program) -> Result<()> {
    let mut running = program.run_shell(THREE_ORPHANS).start()?;
    let command = program.host.find_process(&["sleep", "1050"])?;
    let init = program.host.init_of(command)?;
    let mut orphans = Vec::new();
    for seconds in ["1051", "1052", "1053"] {
        let orphan = program.host.find_process(&["sleep", seconds])?;
        until("PID 1 to become the parent of an orphan", || {
            parent(orphan).is_ok_and(|parent| parent == init)
        })?;
        orphans.push(orphan);
    }
    // They end while PID 1 stands still. When it goes on it gets one SIGCHLD for the three.
    send(init, Signal::SIGSTOP)?;
    for orphan in &orphans {
        send(*orphan, Signal::SIGKILL)?;
        until("a killed process to end", || is_zombie(orphan))?;
    }
    send(init, Signal::SIGCONT)?;
    running.wait_until("no zombie is left of three orphans that have ended", |_| {
        let mut orphans = orphans.iter();
        Ok(orphans
            .all(|pid| !process::path(pid, "").exists())
            .then_some(()))
    })
}

fn send(pid: i32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(pid), signal).with_context(|| format!("send {signal} to process {pid}"))
}

fn ends_with_the_command_and_not_with_an_orphan(program: &Program) -> Result<()> {
    let script = "(sh -c 'sleep 0.05; exit 9' &); sleep 0.3; exit 4";
    program.run_shell(script).end()?.exits(4)?;
    Ok(())
}
