/// Makes a process in new namespaces, and returns its PID on the host. Unlike after
/// unshare(2), this process itself is in none of them.
fn clone_child(argv: &[OsString]) -> Result<Pid> {
    let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID;
    let start = Box::new(|| execute_child(argv));
    let mut stack = Vec::new();
    // `vec!` would abort where there is too little memory, as after `ulimit -v`.
    let reserved = stack.try_reserve_exact(STACK_SIZE);
    reserved.context("allocate a stack (is there a limit? see `ulimit -v`)")?;
    stack.resize(STACK_SIZE, 0);
    #[expect(unsafe_code, reason = "nix has no safe clone")]
    // SAFETY: without CLONE_VM the new process has a copy of our memory, in which `start`
    // and the stack live on, whatever we do with ours. We have one thread, so that no other
    // holds a lock that would stay closed in the copy. And `start` needs little stack.
    let child = unsafe { clone(start, &mut stack, flags, Some(libc::SIGCHLD)) };
    // The low byte of the flags is the signal that tells the parent of the child's end.
    // Without SIGCHLD there, waitpid(2) does not find it: ECHILD.
    child.context(MAKE_NAMESPACES)
}
