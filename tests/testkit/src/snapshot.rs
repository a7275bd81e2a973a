//! What a container must leave as it was, as long as it runs and afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use contract::failure::Failure;
use kernelfiles::process;
use nix::unistd::gethostname;

/// Hostname, mounts, and the files of a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    hostname: String,
    mounts: String,
    files: BTreeSet<PathBuf>,
}

impl Snapshot {
    /// As they are now.
    pub fn take(folder: &Path) -> Result<Self> {
        let files = fs::read_dir(folder).context("list the working directory")?;
        let hostname = gethostname().context("get the hostname")?;
        Ok(Self {
            hostname: hostname.to_string_lossy().into_owned(),
            mounts: process::text("thread-self", "mountinfo")?,
            files: files.map(|file| Ok(file?.path())).collect::<Result<_>>()?,
        })
    }

    /// Fails with the first thing in which `now` differs.
    pub fn expect_same(&self, now: &Self) -> Result<()> {
        let (seen, chapter) = if self.hostname != now.hostname {
            let (now, before) = (&now.hostname, &self.hostname);
            (format!("hostname {now} instead of {before}"), Some(3))
        } else if self.files != now.files {
            (
                format!("files in the working directory: {:?}", now.files),
                None,
            )
        } else if self.mounts != now.mounts {
            let [before, now] = [self, now].map(|it| it.mounts.lines().collect::<BTreeSet<_>>());
            let new: Vec<_> = now.difference(&before).collect();
            let gone: Vec<_> = before.difference(&now).collect();
            let seen = format!("mounts that are new: {new:?}; mounts that are gone: {gone:?}");
            (seen, Some(7))
        } else {
            return Ok(());
        };
        let failure = Failure::new("the host as it was", seen);
        Err(Failure { chapter, ..failure }.into())
    }
}
