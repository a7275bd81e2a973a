/// The new process begins here, and becomes `child`. It could go on right away, since it has
/// a copy of all that we know; but as a program of its own it is as in every other step.
fn execute_child(argv: &[OsString]) -> isize {
    let error = Command::new("/proc/self/exe")
        .arg("child")
        .args(argv)
        .env(MARK, "yes")
        .exec();
    let what = "execute /proc/self/exe child (takes a /proc: `mount -t proc proc /proc`)";
    writeln!(io::stderr(), "error: {what}: {error}").ok();
    125
}
