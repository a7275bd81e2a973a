//! The folder on which each test mounts a file system of its own. It is empty.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::inside;

/// Made when the first test needs it.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The folder for all tests of this suite. A test cannot remove it: all files are
/// read-only there.
pub fn folder() -> Result<PathBuf> {
    if let Some(path) = inside::scratch() {
        return Ok(path);
    }
    let mut folder = FOLDER.lock().expect("no thread panics with this lock");
    if let Some(path) = &*folder {
        return Ok(path.clone());
    }
    let made = tempfile::tempdir().context("make a temporary folder")?;
    Ok(folder.insert(made.keep()).clone())
}

/// Removes it. Whoever is about to begin a test waits, until the process has ended.
pub fn remove() {
    let mut folder = FOLDER.lock().expect("no thread panics with this lock");
    if let Some(path) = folder.take() {
        // Without root nothing is mounted there, and tests have made folders in it. One that
        // goes on may make one more meanwhile.
        let is_gone = |_: &u32| {
            fs::remove_dir(&path)
                .or_else(|_| fs::remove_dir_all(&path))
                .is_ok()
        };
        (0..100).find(is_gone);
    }
    std::mem::forget(folder);
}
