/// The new process begins here, and becomes `child`. It could go on right away, since it has
/// a copy of all that we know; but as a program of its own it is as in every other step.
fn become_child(argv: &[OsString], join: Option<&Path>) -> Result<Infallible> {
    join.map_or(Ok(()), cgroup::join)?;
    let error = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .exec();
    Err(error).context("execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)")
}
