/// Asks the kernel who has the lock. It takes it back from a process that is killed, and
/// so this cannot be wrong, as the PID in a file can: PIDs come round again.
pub fn state(&self) -> Result<State> {
    let file = File::open(self.folder.join(LOCK)).context("open the container's lock")?;
    let mut lock = write_lock();
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).context("ask who has the container's lock")?;
    if lock.l_type != libc::F_UNLCK as libc::c_short {
        return Ok(State::Running(Pid::from_raw(lock.l_pid)));
    }
    match fs::read_link(self.folder.join("status")) {
        Ok(status) => Ok(State::Exited(status.to_string_lossy().into())),
        Err(_) => Ok(State::Lost),
    }
}
