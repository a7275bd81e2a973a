//! Wrong: the image's variables are set after those of the command line, and so in place of them.
//! An image says what is so unless somebody wants it otherwise.

mod right;

use std::fs::{self, File};
use std::iter;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use tar::Archive;

fn main() {
    let run = |argv: &[String]| {
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
        Ok(right::exit_code(right::start_child(argv)?.wait()?))
    };
    right::run_and_child(run, child)
}

fn child(mut argv: &[String]) -> Result<i32> {
    right::make_mounts_private()?;
    let mut take = |option| {
        right::take_option(&mut argv, option).with_context(|| format!("expected {option}"))
    };
    let [image, variable, folder, user] =
        ["--image", "--env", "--workdir", "--user"].map(&mut take);
    let (image, folder, user) = (image?, folder?, user?.parse()?);
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        format!("{image}/blobs/{}", digest.replace(':', "/"))
    };
    let index: Value = serde_json::from_slice(&fs::read(format!("{image}/index.json"))?)?;
    let manifest: Value = serde_json::from_slice(&fs::read(blob(&index["manifests"][0]))?)?;
    let config: Value = serde_json::from_slice(&fs::read(blob(&manifest["config"]))?)?;
    let layers = manifest["layers"].as_array().context("no layers")?.iter();
    let layers = layers.map(|layer| Ok(File::open(blob(layer))?));
    let layers = layers.collect::<Result<Vec<_>>>()?;
    right::mount("tmpfs", "/tmp", MsFlags::empty())?;
    chroot("/tmp")?;
    std::env::set_current_dir("/")?;
    for layer in layers {
        Archive::new(GzDecoder::new(layer)).unpack("/")?;
    }
    std::env::set_current_dir(folder)?;
    let own: Vec<String> = serde_json::from_value(config["config"]["Env"].clone())?;
    let mut command = Command::new(&argv[0]);
    command
        .args(&argv[1..])
        .env_clear()
        .env("PATH", "/bin")
        .uid(user)
        .gid(user);
    // Instead: the other way round.
    for variable in iter::once(variable?).chain(own.iter().map(String::as_str)) {
        let (name, value) = variable.split_once('=').context("no variable")?;
        command.env(name, value);
    }
    Ok(right::exit_code(command.status()?))
}
