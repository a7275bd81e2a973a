//! Signals: all that PID 1 passes on.
//!
//! Read: signalfd(2), SI_KERNEL in sigaction(2).

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::siginfo;
use nix::unistd::Pid;

/// Every signal but those that are for this program alone. SIGKILL and SIGSTOP are in the
/// set too, and the kernel overlooks them: nobody can block these.
pub fn passed_on() -> SigSet {
    use Signal::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    use Signal::{SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU};
    // A fault comes from an instruction of our own. And at Ctrl-Z the terminal stops us
    // beside the command, or the shell that waits for us would wait on.
    let faults = [SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP];
    let job_control = [SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU];
    let mut signals = SigSet::all();
    for signal in faults.into_iter().chain(job_control) {
        signals.remove(signal);
    }
    signals
}

/// Keeps these signals pending until a signalfd takes them. This comes before all else.
///
/// A program that we start inherits the blocked signals, so that between two
/// programs there is no moment in which one is lost.
pub fn block_signals() -> Result<()> {
    passed_on().thread_block().context("block signals")?;
    #[expect(unsafe_code, reason = "nix cannot tell which handlers are safe")]
    // SAFETY: the default action is no handler: no code of ours will run at a signal.
    let reset = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    // A caller may ignore SIGCHLD, and we inherit that. The kernel then keeps no exit status
    // of a child, and tells nobody of its end (wait(2)).
    reset.context("reset SIGCHLD")?;
    Ok(())
}

/// Passes a signal on, unless it is news for us, or the command has had its own.
pub fn pass_on(signal: &siginfo, pid: Pid) -> Result<()> {
    let number = i32::try_from(signal.ssi_signo)?;
    // What the terminal sends, it sends to every process in the foreground. It is the
    // kernel that sends it, which is how to tell that from a kill(2) for us alone.
    let keys = [libc::SIGINT, libc::SIGQUIT, libc::SIGWINCH];
    let is_for_all = signal.ssi_code == libc::SI_KERNEL && keys.contains(&number);
    if number == libc::SIGCHLD || is_for_all {
        return Ok(());
    }
    #[expect(unsafe_code, reason = "nix's kill has no real-time signals")]
    // SAFETY: kill(2) takes two numbers, and no memory.
    let result = unsafe { libc::kill(pid.as_raw(), number) };
    Errno::result(result).with_context(|| format!("pass signal {number} on to process {pid}"))?;
    Ok(())
}
