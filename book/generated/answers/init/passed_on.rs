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
