/// Executes the command where the process `pid` is.
fn enter(pid: &str, argv: &[OsString]) -> Result<ExitCode> {
    // All is opened before the first namespace is joined: in there, /proc is another one
    // or none, and the process has another PID.
    let process = open(format!("/proc/{pid}").as_str(), PLACE, Mode::empty())
        .with_context(|| format!("find process {pid}"))?;
    let root = openat(&process, "root", PLACE, Mode::empty())
        .with_context(|| format!("open the root directory of process {pid} ({TAKES_ROOT})"))?;
    let namespaces = open_namespaces(&process)
        .with_context(|| format!("open the namespaces of process {pid} ({TAKES_ROOT})"))?;
    for (kind, namespace) in KINDS.iter().zip(namespaces) {
        // 0 for a flag: the descriptor tells what kind of namespace it is.
        setns(namespace, CloneFlags::empty()).with_context(|| {
            format!("join the {kind} namespace of process {pid} ({TAKES_ROOT})")
        })?;
    }
    enter_root(root)?;
    // Joining a PID namespace, like making one, moves our children and not ourselves: it
    // is as a child of ours that the command has a PID in there.
    command::execute(Command::new(&argv[0]).args(&argv[1..]))
}
