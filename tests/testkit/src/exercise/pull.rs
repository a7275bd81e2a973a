//! After step 8: an image from a registry.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use contract::failure::expect;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::check::{Check, checks};
use crate::exercise::overlay::files;
use crate::image::{Layout, architectures};
use crate::layer::Layer;
use crate::patience::until;
use crate::program::{Ended, Program};
use crate::registry::{ADDRESS, Registry, publish, stored};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    makes_a_layout,
    takes_the_image_of_this_processor,
    takes_a_digest_for_a_name,
    gets_a_token,
    goes_on_after_a_cut,
    goes_on_after_an_end,
    refuses_what_has_another_digest,
    says_what_is_not_there,
    says_that_the_disk_is_full,
    refuses_what_is_no_command_line,
];

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image in the folder `made`, and what names its manifest. Its layer has so many bytes, which
/// no compression makes less.
fn make(program: &Program, size: usize) -> Result<(Layout, Value)> {
    let layout = Layout::at(program.host.folder.path().join("made"))?;
    let manifest = add(&layout, size, "amd64")?;
    Ok((layout, manifest))
}

fn add(layout: &Layout, size: usize, says: &str) -> Result<Value> {
    let mut state = 1_u64;
    let noise = (0..size).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.collect();
    let layer = Layer::new().bytes_file("noise", &noise)?.bytes()?;
    let layer = layout.add_layer(&layer)?;
    layout.add_manifest(&[layer], &json!({"Cmd": [says]}))
}

/// Pulls it to the folder `pulled`.
fn pull(program: &Program, name: &str) -> Result<Ended> {
    let name = format!("{ADDRESS}/test/image{name}");
    program.call(&["pull", &name, "pulled"]).end()
}

fn pulled(program: &Program) -> PathBuf {
    program.host.folder.path().join("pulled")
}

/// Fails unless `pulled` is a layout with this manifest, and all that it names, and no more.
fn expect_image(program: &Program, layout: &Layout, manifest: &Value) -> Result<()> {
    let folder = pulled(program);
    let read = |path: PathBuf| {
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice::<Value>(&text).context("read JSON")
    };
    let version = read(folder.join("oci-layout"))?;
    let seen = &version["imageLayoutVersion"];
    expect(seen == "1.0.0", "1.0.0 in oci-layout", seen)?;
    let index = read(folder.join("index.json"))?;
    let named = &index["manifests"][0];
    for field in ["digest", "size", "mediaType"] {
        let what = format!("{} as {field} in index.json", manifest[field]);
        expect(named[field] == manifest[field], what, &named[field])?;
    }
    let content = read(layout.blob_path(manifest))?;
    let layers = content["layers"].as_array().into_iter().flatten();
    let parts = layers.chain([manifest, &content["config"]]);
    let mut wanted = BTreeSet::new();
    for part in parts {
        let path = layout.blob_path(part);
        let name = path.file_name().context("find a name")?.to_owned();
        let same = fs::read(folder.join("blobs/sha256").join(&name)).ok() == fs::read(&path).ok();
        expect(
            same,
            "each blob as it is in the registry",
            format_args!("{part}"),
        )?;
        wanted.insert(name);
    }
    let there = fs::read_dir(folder.join("blobs/sha256")).context("list a folder")?;
    let there = there
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<BTreeSet<_>>>()?;
    expect(
        there == wanted,
        format_args!("{wanted:?}"),
        format_args!("{there:?}"),
    )
}

fn makes_a_layout(program: &Program) -> Result<()> {
    let (layout, manifest) = make(program, 1000)?;
    publish(
        program,
        &layout,
        &[("1.0", &manifest), ("latest", &manifest)],
    )?;
    let _registry = Registry::start(program, false)?;
    pull(program, ":1.0")?.exits(0)?;
    expect_image(program, &layout, &manifest)?;
    // Once more, and without a tag.
    pull(program, "")?.exits(0)?;
    expect_image(program, &layout, &manifest)
}

fn takes_the_image_of_this_processor(program: &Program) -> Result<()> {
    let layout = Layout::at(program.host.folder.path().join("made"))?;
    let [ours, other] = architectures();
    let image = |architecture: &str, os: &str, size: usize| {
        let mut manifest = add(&layout, size, architecture)?;
        manifest["platform"] = json!({"architecture": architecture, "os": os});
        anyhow::Ok(manifest)
    };
    let wanted = image(ours, "linux", 1003)?;
    let images = [
        image(other, "linux", 1001)?,
        image(ours, "windows", 1002)?,
        wanted.clone(),
    ];
    let list = |images: &[Value]| {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": images});
        layout.add_json(INDEX, &index)
    };
    let (all, others) = (list(&images)?, list(&images[..2])?);
    publish(program, &layout, &[("latest", &all), ("others", &others)])?;
    let _registry = Registry::start(program, false)?;
    pull(program, "")?.exits(0)?;
    expect_image(program, &layout, &wanted)?;
    let ended = pull(program, ":others")?;
    ended.exits(125)?.complains(&[ours])?;
    Ok(())
}

fn takes_a_digest_for_a_name(program: &Program) -> Result<()> {
    let (layout, manifest) = make(program, 1000)?;
    publish(program, &layout, &[])?;
    let _registry = Registry::start(program, false)?;
    let digest = manifest["digest"].as_str().unwrap_or_default();
    pull(program, &format!("@{digest}"))?.exits(0)?;
    expect_image(program, &layout, &manifest)
}

fn gets_a_token(program: &Program) -> Result<()> {
    let (layout, manifest) = make(program, 1000)?;
    publish(program, &layout, &[("latest", &manifest)])?;
    let registry = Registry::start(program, true)?;
    let ended = pull(program, "")?;
    ended.exits(0)?;
    expect_image(program, &layout, &manifest)?;
    let asked = registry
        .line
        .asked
        .lock()
        .expect("no thread panics")
        .clone();
    let asked = asked.lines().find(|line| line.starts_with("GET /token?"));
    let asked = asked.unwrap_or_default();
    // A blank and a colon may be written in several ways.
    let holds = asked.contains("service=the") && asked.contains("pull") && asked.contains("image");
    expect(
        holds,
        "service and scope, as it was told, in `GET /token?…`",
        asked,
    )
}

fn goes_on_after_a_cut(program: &Program) -> Result<()> {
    let size = 3 << 20;
    let (layout, manifest) = make(program, size)?;
    publish(program, &layout, &[("latest", &manifest)])?;
    let registry = Registry::start(program, false)?;
    registry.line.cut_after.store(1 << 20, Ordering::SeqCst);
    registry.line.cuts.store(2, Ordering::SeqCst);
    let ended = pull(program, "")?;
    ended.exits(0)?;
    expect_image(program, &layout, &manifest)?;
    let bytes = registry.line.bytes.load(Ordering::SeqCst);
    // What was cut off, and what the program had not read by then, comes twice.
    let what = format!("not much more than {size} bytes over the line, with two cuts in it");
    ended.expected(&format!("{what}, but {bytes}"), bytes < size as u64 * 4 / 3)?;
    Ok(())
}

fn goes_on_after_an_end(program: &Program) -> Result<()> {
    let size = 3 << 20;
    let (layout, manifest) = make(program, size)?;
    publish(program, &layout, &[("latest", &manifest)])?;
    let registry = Registry::start(program, false)?;
    registry.line.stalls.store(true, Ordering::SeqCst);
    registry.line.cut_after.store(2 << 20, Ordering::SeqCst);
    registry.line.cuts.store(1, Ordering::SeqCst);
    let name = format!("{ADDRESS}/test/image");
    let mut running = program.call(&["pull", &name, "pulled"]).start()?;
    let length = |path: &PathBuf| fs::metadata(path).map_or(0, |it| it.len());
    until("a part of the image in its folder", || {
        let there = files(&pulled(program)).unwrap_or_default();
        there.keys().map(length).sum::<u64>() > 1 << 20
    })?;
    running.signal(Signal::SIGKILL)?;
    running.end()?.exits(137)?;
    let whole = pulled(program).join("index.json").exists();
    expect(!whole, "no index.json of half an image", "one")?;
    registry.line.cuts.store(0, Ordering::SeqCst);
    registry.line.stalls.store(false, Ordering::SeqCst);
    let before = registry.line.bytes.load(Ordering::SeqCst);
    pull(program, "")?.exits(0)?;
    expect_image(program, &layout, &manifest)?;
    let bytes = registry.line.bytes.load(Ordering::SeqCst) - before;
    let what = format!("less than {size} bytes in the second attempt");
    expect(bytes < size as u64, what, bytes)
}

fn refuses_what_has_another_digest(program: &Program) -> Result<()> {
    let (layout, manifest) = make(program, 1000)?;
    publish(program, &layout, &[("latest", &manifest)])?;
    let _registry = Registry::start(program, false)?;
    let text = fs::read(layout.blob_path(&manifest)).context("read a manifest")?;
    let content: Value = serde_json::from_slice(&text).context("read a manifest")?;
    for part in [&content["config"], &content["layers"][0]] {
        let path = stored(program, part);
        let good = fs::read(&path).context("read a blob")?;
        let mut bad = good.clone();
        bad[5] ^= 1;
        fs::write(&path, bad).context("damage a blob")?;
        let ended = pull(program, "")?;
        ended.exits(125)?.complains(&["digest"])?.does_not_panic()?;
        let whole = pulled(program).join("index.json").exists();
        ended.expected("no index.json", !whole)?;
        fs::write(&path, good).context("mend a blob")?;
    }
    // And what was damaged on the way is fetched again.
    pull(program, "")?.exits(0)?;
    expect_image(program, &layout, &manifest)?;
    let blob = pulled(program).join("blobs/sha256");
    let name = layout.blob_path(&content["layers"][0]);
    let blob = blob.join(name.file_name().context("find a name")?);
    let mut bytes = fs::read(&blob).context("read a blob")?;
    bytes[5] ^= 1;
    fs::write(&blob, bytes).context("damage a blob")?;
    pull(program, "")?.exits(0)?;
    expect_image(program, &layout, &manifest)?;
    // What a manifest calls a digest is to be no path.
    for digest in ["sha256:../../../../victim", "../victim", "sha256:"] {
        let mut content = content.clone();
        content["layers"][0]["digest"] = json!(digest);
        let kind = manifest["mediaType"].as_str().unwrap_or_default();
        let hostile = layout.add_json(kind, &content)?;
        publish(program, &layout, &[("hostile", &hostile)])?;
        let ended = pull(program, ":hostile")?;
        ended.exits(125)?.does_not_panic()?;
        let victim = program.host.folder.path().join("victim");
        ended.expected("nothing written outside", !victim.exists())?;
    }
    Ok(())
}

fn says_what_is_not_there(program: &Program) -> Result<()> {
    let ended = pull(program, "")?;
    ended.exits(125)?.complains(&["Connection refused"])?;
    let (layout, manifest) = make(program, 1000)?;
    publish(program, &layout, &[("latest", &manifest)])?;
    let _registry = Registry::start(program, false)?;
    for name in [":no-such-tag", "/no-such-image"] {
        let ended = pull(program, name)?;
        ended.exits(125)?.complains(&[name])?.does_not_panic()?;
        let whole = pulled(program).join("index.json").exists();
        ended.expected("no index.json", !whole)?;
    }
    Ok(())
}

fn says_that_the_disk_is_full(program: &Program) -> Result<()> {
    let (layout, manifest) = make(program, 2 << 20)?;
    publish(program, &layout, &[("latest", &manifest)])?;
    let _registry = Registry::start(program, false)?;
    fs::create_dir(pulled(program)).context("make a folder")?;
    program.host.mount_tmpfs(&pulled(program), "1m")?;
    let ended = pull(program, "")?;
    ended.exits(125)?.complains(&["No space left on device"])?;
    let whole = pulled(program).join("index.json").exists();
    ended.expected("no index.json", !whole)?;
    Ok(())
}

fn refuses_what_is_no_command_line(program: &Program) -> Result<()> {
    let name = format!("{ADDRESS}/test/image");
    for words in [&["pull"][..], &["pull", &name], &["fetch", &name, "pulled"]] {
        program.call(words).end()?.is_wrong_usage()?;
    }
    for name in [
        "",
        "127.0.0.1:5000/",
        "127.0.0.1:5000/a b",
        "127.0.0.1:5000/../x:y",
        "a@b@c",
    ] {
        let ended = program.call(&["pull", name, "pulled"]).end()?;
        ended.exits(125)?.does_not_panic()?;
    }
    Ok(())
}
