//! An answer to the exercise `pull`: an image from a registry, as the exercise `image` takes it.
//!
//! No container: it gets files by HTTP, and checks that they are what they are called.
//!
//! Read: the OCI distribution specification, `image-layout.md` of the image specification, and
//! RFC 9110 for what a range is.

#[path = "pull/layout.rs"]
mod layout;
#[path = "pull/name.rs"]
mod name;
#[path = "pull/registry.rs"]
mod registry;

use std::env;
use std::env::consts::ARCH;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::layout::{Layout, Part};
use crate::name::Name;
use crate::registry::{Cut, Registry, Start};

const USAGE: &str = "\
usage: pull NAME FOLDER

  NAME    [HOST[:PORT]/]REPOSITORY[:TAG | @DIGEST], as in `docker pull`
  FOLDER  becomes an OCI image layout. What is there already is not fetched again.";

/// How often in a row a connection may bring nothing.
const ATTEMPTS: u32 = 5;

fn main() -> ExitCode {
    start().map_or_else(failed, |()| ExitCode::SUCCESS)
}

fn failed(error: anyhow::Error) -> ExitCode {
    // If standard error is closed, the exit status alone has to tell.
    writeln!(io::stderr(), "error: {error:#}").ok();
    ExitCode::from(125)
}

fn start() -> Result<()> {
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
    match &words[..] {
        ["pull", name, _] if args.len() == 3 => {
            pull(&name.parse()?, args[2].as_ref()).with_context(|| format!("pull {name}"))
        }
        ["--help" | "-h", ..] => print(USAGE),
        _ => bail!("expected `pull`, a name and a folder\n{USAGE}"),
    }
}

/// Fetches an image into a layout. Its index, by which it begins, is written last.
fn pull(name: &Name, folder: &Path) -> Result<()> {
    let mut registry = Registry::new(name)?;
    let layout = Layout::open(folder)?;
    let (mut kind, mut bytes) = registry.manifest(&name.reference)?;
    let mut manifest = parse(&bytes)?;
    if !manifest["manifests"].is_null() {
        // One for each kind of processor.
        let digest = choose(&manifest)?;
        (kind, bytes) = registry.manifest(&digest)?;
        manifest = parse(&bytes)?;
    }
    let layers = manifest["layers"].as_array();
    let layers = layers.context("its manifest names no layers: is it older than 2016?")?;
    for descriptor in [&manifest["config"]].into_iter().chain(layers) {
        let (digest, size) = (&descriptor["digest"], &descriptor["size"]);
        let digest = digest.as_str().context("a part has no digest")?;
        let size = size.as_u64().context("a part has no size")?;
        fetch(&mut registry, &layout, digest, size).with_context(|| format!("fetch {digest}"))?;
    }
    layout.finish(&kind, &bytes, &name.reference)?;
    print(&format!("{} is {name}", folder.display()))
}

fn parse(manifest: &[u8]) -> Result<Value> {
    serde_json::from_slice(manifest).context("read a manifest as JSON")
}

/// The digest of the image for this processor.
fn choose(index: &Value) -> Result<String> {
    // What Go calls this processor, and so images do.
    let arch = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let manifests = index["manifests"]
        .as_array()
        .context("its index is no list")?;
    let fits = |manifest: &&Value| {
        let platform = &manifest["platform"];
        platform["architecture"] == arch && platform["os"] == "linux"
    };
    let chosen = manifests.iter().find(fits);
    let chosen = chosen.with_context(|| format!("there is none for linux on {arch}"))?;
    Ok(chosen["digest"]
        .as_str()
        .context("an image has no digest")?
        .to_owned())
}

/// Fetches a part of the image, if it is not there, from where an earlier attempt has ended.
fn fetch(registry: &mut Registry, layout: &Layout, digest: &str, size: u64) -> Result<()> {
    if layout.has(digest, size)? {
        return print(&format!("{digest} is there"));
    }
    let mut part = layout.part(digest)?;
    let mut attempts = 0;
    while part.length()? < size {
        let before = part.length()?;
        match fetch_rest(registry, digest, size, &mut part) {
            Ok(()) => {}
            Err(error) if error.is::<Cut>() => {
                // If nobody can read it, it goes on all the same.
                writeln!(io::stderr(), "{error:#}: going on from there").ok();
                thread::sleep(Duration::from_millis(200));
            }
            Err(error) => return Err(error),
        }
        attempts = if part.length()? > before {
            0
        } else {
            attempts + 1
        };
        ensure!(attempts < ATTEMPTS, "nothing comes any more: try later");
    }
    part.finish(digest)?;
    print(&format!("{digest} has {size} bytes"))
}

/// Fetches what is missing.
fn fetch_rest(registry: &mut Registry, digest: &str, size: u64, part: &mut Part) -> Result<()> {
    let mut from = part.length()?;
    let (start, body) = registry.blob(digest, from)?;
    if start == Start::Beginning {
        // It knows nothing of ranges.
        part.file.set_len(0).context("begin anew")?;
        from = 0;
    }
    let mut body = body.take(size - from);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match body.read(&mut buffer).context(Cut)? {
            0 => return Ok(()),
            count => part
                .file
                .write_all(&buffer[..count])
                .context("write to the layout")?,
        }
    }
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
