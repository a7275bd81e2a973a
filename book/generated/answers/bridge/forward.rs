/// Connects a client with the container. If nobody listens there, the client is told by the end
/// of its connection.
fn forward(client: &TcpStream, container: Ipv4Addr, port: u16) {
    let Ok(server) = TcpStream::connect((container, port)) else {
        return;
    };
    thread::scope(|scope| {
        let back = || copy(&server, client);
        // Without a thread for the way back there is no connection.
        if thread::Builder::new().spawn_scoped(scope, back).is_ok() {
            copy(client, &server);
        }
    });
}
