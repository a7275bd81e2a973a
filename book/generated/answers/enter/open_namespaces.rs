/// A PID is used again when its process has ended. But a descriptor of the folder in /proc
/// stays that of one process, and all that is opened by way of it belongs to that one.
fn open_namespaces(process: &OwnedFd) -> Result<Vec<OwnedFd>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let names = KINDS.iter().map(|kind| format!("ns/{kind}"));
    names
        .map(|name| openat(process, name.as_str(), flags, Mode::empty()))
        .collect()
}
