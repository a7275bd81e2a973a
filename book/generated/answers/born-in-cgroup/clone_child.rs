/// Makes a process in new namespaces, and in the cgroup if that is of version 2. It becomes
/// `child`.
fn clone_child(argv: &[OsString], cgroup: &Path) -> Result<Pid> {
    let folder = File::open(cgroup);
    let folder = folder.with_context(|| format!("open the cgroup {}", cgroup.display()))?;
    let is_born_there = cgroup.join("cgroup.controllers").exists();
    if !is_born_there {
        // If nobody can read it, the container runs all the same.
        let why = "a process is born in a cgroup of version 2 only: child joins its own later";
        writeln!(io::stderr(), "{why}").ok();
    }
    // `struct clone_args`, which libc does not have for every processor, is eleven numbers.
    let (flags, signal, place) = (0, 4, 10);
    let mut args = [0_u64; 11];
    args[flags] = (libc::CLONE_NEWUTS | libc::CLONE_NEWPID | libc::CLONE_NEWNS) as u64;
    args[signal] = libc::SIGCHLD as u64;
    if is_born_there {
        args[flags] |= CLONE_INTO_CGROUP;
        args[place] = folder.as_raw_fd() as u64;
    }
    #[expect(unsafe_code, reason = "neither nix nor std has a function for clone3")]
    // SAFETY: without CLONE_VM and without a stack, this returns twice, as fork(2) does, and
    // the new process has a copy of our memory. We have one thread, so that no other holds a
    // lock that would stay closed in the copy.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, args.as_mut_ptr(), mem::size_of_val(&args)) };
    match Errno::result(pid).context(MAKE_CHILD)? {
        0 => {
            let Err(error) = become_child(argv, (!is_born_there).then_some(cgroup));
            writeln!(io::stderr(), "error: {error:#}").ok();
            process::exit(125)
        }
        pid => Ok(Pid::from_raw(i32::try_from(pid)?)),
    }
}
