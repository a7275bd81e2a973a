//! A registry: Debian's `docker-registry`, and in front of it a line that can be bad.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::failure::{Failure, Obstacle};
use serde_json::Value;

use crate::image::Layout;
use crate::patience::until;
use crate::program::{Program, Running};

/// The registry, on a network of the test's own, where every port is free.
const UPSTREAM: &str = "127.0.0.1:5001";

/// Where the programs under test find it.
pub const ADDRESS: &str = "127.0.0.1:5000";

/// Where they get a token, with what is on the way there.
const TOKENS: &str = "127.0.0.1:5002";

/// What every token is.
const TOKEN: &str = "a-token-of-the-test";

/// A registry that runs until this is dropped.
pub struct Registry<'a> {
    pub line: Arc<Line>,
    _running: Running<'a>,
}

/// What goes through the line, and what happens to it.
#[derive(Default)]
pub struct Line {
    /// How many connections are still to be cut, after `cut_after` bytes each.
    pub cuts: AtomicUsize,
    pub cut_after: AtomicU64,
    /// Nothing comes then, instead of an end.
    pub stalls: AtomicBool,
    /// How many bytes have gone to the program.
    pub bytes: AtomicU64,
    /// What has been asked for, and of those who give tokens.
    pub asked: Mutex<String>,
}

impl<'a> Registry<'a> {
    /// Starts one. With `takes_tokens` it hands out nothing without.
    pub fn start(program: &'a Program, takes_tokens: bool) -> Result<Self> {
        let folder = program.host.folder.path();
        let tokens = match takes_tokens {
            true => format!(
                "auth: {{silly: {{realm: 'http://{TOKENS}/token', service: 'the test'}}}}\n"
            ),
            false => String::new(),
        };
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '{UPSTREAM}', secret: x}}\n{tokens}",
            folder.join("registry").display()
        );
        fs::write(folder.join("registry.yml"), config).context("write the registry's config")?;
        let call = program.call(&["serve", "registry.yml"]);
        let running = call.at("docker-registry".into()).start().map_err(|error| {
            let text = format!("{error:#}: `apt-get install docker-registry`");
            Failure::not_asked(Obstacle::NoHost(text))
        })?;
        until("a registry that listens", || {
            TcpStream::connect(UPSTREAM).is_ok()
        })?;
        let line = Arc::new(Line::default());
        serve(ADDRESS, line.clone(), move |line, client| {
            line.forward(client, takes_tokens)
        })?;
        serve(TOKENS, line.clone(), |line, client| line.give_token(client))?;
        Ok(Self {
            line,
            _running: running,
        })
    }
}

fn serve(
    address: &str,
    line: Arc<Line>,
    answer: impl Fn(&Line, TcpStream) -> Result<()> + Send + Copy + 'static,
) -> Result<()> {
    let listener = TcpListener::bind(address).context("listen")?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let line = line.clone();
            thread::spawn(move || answer(&line, client).ok());
        }
    });
    Ok(())
}

impl Line {
    /// Hands on what the program and the registry say.
    fn forward(&self, mut client: TcpStream, takes_tokens: bool) -> Result<()> {
        let mut registry = TcpStream::connect(UPSTREAM)?;
        let (mut from_client, mut to_registry) = (client.try_clone()?, registry.try_clone()?);
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = from_client.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                    // The registry takes any token.
                    let is_wrong = text.to_lowercase().contains("authorization:")
                        && !text.contains(&format!("Bearer {TOKEN}\r\n"));
                    self.asked.lock().expect("no thread panics").push_str(&text);
                    if (takes_tokens && is_wrong)
                        || to_registry.write_all(&buffer[..count]).is_err()
                    {
                        break;
                    }
                }
                to_registry.shutdown(Shutdown::Both).ok();
            });
            let mut buffer = vec![0; 16 << 10];
            let mut here = 0;
            while let Ok(count @ 1..) = registry.read(&mut buffer) {
                let allowed = self.cut_after.load(Ordering::SeqCst);
                let is_cut = here + count as u64 > allowed && self.cuts.load(Ordering::SeqCst) > 0;
                if is_cut {
                    while self.stalls.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(5));
                    }
                    let less = |cuts: usize| Some(cuts.saturating_sub(1));
                    let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
                    self.cuts.fetch_update(set, get, less).ok();
                    break;
                }
                if client.write_all(&buffer[..count]).is_err() {
                    break;
                }
                here += count as u64;
                self.bytes.fetch_add(count as u64, Ordering::SeqCst);
            }
            client.shutdown(Shutdown::Both).ok();
            registry.shutdown(Shutdown::Both).ok();
        });
        Ok(())
    }

    fn give_token(&self, mut client: TcpStream) -> Result<()> {
        let mut buffer = vec![0; 8 << 10];
        let count = client.read(&mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        self.asked.lock().expect("no thread panics").push_str(&text);
        let body = format!("{{\"token\":\"{TOKEN}\",\"expires_in\":60}}");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        let length = body.len();
        Ok(write!(
            client,
            "{head}Content-Length: {length}\r\n\r\n{body}"
        )?)
    }
}

/// Puts all that is in a layout, and the manifests by these tags, where a registry keeps it.
pub fn publish(program: &Program, layout: &Layout, tags: &[(&str, &Value)]) -> Result<()> {
    let top = program
        .host
        .folder
        .path()
        .join("registry/docker/registry/v2");
    let repository = top.join("repositories/test/image");
    let link = |place: &Path, digest: &str| {
        fs::create_dir_all(place)
            .and_then(|()| fs::write(place.join("link"), digest))
            .context("write a link of the registry")
    };
    for blob in fs::read_dir(layout.path("blobs/sha256")).context("list a folder")? {
        let blob = blob.context("list a folder")?;
        let hex = blob.file_name().to_string_lossy().into_owned();
        let digest = format!("sha256:{hex}");
        let place = top.join(format!("blobs/sha256/{}/{hex}", &hex[..2]));
        fs::create_dir_all(&place).context("make a folder")?;
        fs::copy(blob.path(), place.join("data")).context("copy a blob")?;
        for kind in ["_layers", "_manifests/revisions"] {
            link(&repository.join(format!("{kind}/sha256/{hex}")), &digest)?;
        }
    }
    for (tag, descriptor) in tags {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let place = repository.join(format!("_manifests/tags/{tag}/current"));
        link(&place, digest)?;
    }
    Ok(())
}

/// Where a registry keeps the bytes with a digest.
pub fn stored(program: &Program, descriptor: &Value) -> PathBuf {
    let hex = descriptor["digest"].as_str().unwrap_or_default();
    let hex = hex.trim_start_matches("sha256:");
    let top = program
        .host
        .folder
        .path()
        .join("registry/docker/registry/v2");
    top.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]))
}
