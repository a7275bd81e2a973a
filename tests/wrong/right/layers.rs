//! What is right in wrong answers to `layers`.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Result, bail};
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};
use tar::{Archive, Entry};

use crate::right;

/// An answer that unpacks each entry of a layer so.
pub fn main(unpack: fn(&mut Entry<File>, &Path) -> Result<()>) -> ! {
    right::main(|args| match args {
        [word, archive, folder] if word == "unpack" => {
            let mut archive = Archive::new(File::open(archive)?);
            fs::create_dir(folder)?;
            for entry in archive.entries()? {
                unpack(&mut entry?, Path::new(folder))?;
            }
            Ok(0)
        }
        [word, argv @ ..] if word == "run" => {
            unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
            Ok(right::exit_code(right::start_child(argv)?.wait()?))
        }
        [word, argv @ ..] if word == "child" => child(argv),
        _ => bail!("usage: unpack ARCHIVE FOLDER, or run --layer FOLDER COMMAND"),
    })
}

fn child(mut argv: &[String]) -> Result<i32> {
    right::make_mounts_private()?;
    let root = env::var("ROOTFS")?;
    let mut lower = root.clone();
    while let Some(layer) = right::take_option(&mut argv, "--layer") {
        lower = format!("{}:{lower}", fs::canonicalize(layer)?.display());
    }
    right::mount("tmpfs", "/tmp", MsFlags::empty())?;
    right::mount_overlay(&lower, "/tmp", &root)?;
    right::enter_root()?;
    right::execute(argv)
}

/// Deletes a file of a lower layer, if that is what the entry is about.
pub fn white_out(entry: &Entry<File>, folder: &Path) -> Result<bool> {
    let path = folder.join(entry.path()?);
    let name = path.file_name().unwrap_or_default().as_bytes();
    let Some(name) = name.strip_prefix(b".wh.") else {
        return Ok(false);
    };
    let place = path.with_file_name(OsStr::from_bytes(name));
    mknod(&place, SFlag::S_IFCHR, Mode::empty(), 0)?;
    Ok(true)
}
