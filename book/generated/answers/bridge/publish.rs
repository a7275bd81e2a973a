/// Takes the port, and serves it as soon as the address of the container is told.
///
/// The listener and its threads stay in the network namespace that we are in now. And it is now
/// that the first has to be started: who has called unshare(CLONE_NEWPID) starts no thread any
/// more, since that would have to be in the new PID namespace, and cannot.
pub fn publish(ports: &Publish) -> Result<Sender<Ipv4Addr>> {
    // Only the host itself reaches it. Docker would open it to all.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.host))
        .with_context(|| format!("listen on port {} of the host", ports.host))?;
    let port = ports.container;
    let (sender, receiver) = mpsc::channel();
    in_background(move || {
        if let Ok(container) = receiver.recv() {
            serve(&listener, container, port);
        }
    })?;
    Ok(sender)
}
