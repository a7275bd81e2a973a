//! A port of the host that leads to one of the container: `run` takes each connection, makes
//! another to the container, and copies what comes from one to the other, both ways.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What `--publish` asks for.
#[derive(Clone, Copy)]
pub struct Publish {
    host: u16,
    container: u16,
}

/// Reads `8080:80`.
pub fn parse(text: &str) -> Result<Publish> {
    let ports = text
        .split_once(':')
        .map(|(host, container)| (host.parse(), container.parse()));
    match ports {
        Some((Ok(host), Ok(container))) if host > 0 && container > 0 => {
            Ok(Publish { host, container })
        }
        _ => bail!("expected two ports such as 8080:80, the host's and the container's"),
    }
}

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

fn serve(listener: &TcpListener, container: Ipv4Addr, port: u16) {
    for client in listener.incoming() {
        let forward = |client| in_background(move || forward(&client, container, port));
        // There may be too many open files, or threads: until some have ended.
        if client.map_err(Into::into).and_then(forward).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn in_background(act: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new()
        .spawn(act)
        .context("start a thread")?;
    Ok(())
}

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

/// Copies until `from` has no more to say, and lets `to` know that.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // If one of them is gone, the other is told in the same way.
    io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Write).ok();
}
