//! How a supervisor hears from `child` that the command is there: a pipe.
//!
//! Read: pipe(7).

use std::env;
use std::fs::File;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::{dup2_stdout, pipe2};

use crate::container::Container;
use crate::supervisor;

/// Both ends of a pipe. After clone(2) there are two such values, as with the gate.
pub struct News<'a> {
    container: &'a Container,
    reader: File,
    writer: File,
}

impl<'a> News<'a> {
    pub fn of(container: &'a Container) -> Result<Self> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        Ok(Self {
            container,
            reader: reader.into(),
            writer: writer.into(),
        })
    }

    /// Waits until the command is there, or has no way left to be, and passes that on: for the
    /// supervisor.
    pub fn hear(self) -> Result<bool> {
        drop(self.writer);
        let is_started = supervisor::hears_started(self.reader)?;
        if is_started {
            supervisor::tell_started(&self.container.open_log()?)?;
            // Else nobody could unmount the file system that we began in.
            env::set_current_dir("/").context("change directory to /")?;
        }
        Ok(is_started)
    }

    /// Makes the pipe our standard output, until the command is there: for `child`.
    pub fn tell(self) -> Result<&'a Container> {
        dup2_stdout(&self.writer).context("take a pipe for standard output")?;
        Ok(self.container)
    }
}
