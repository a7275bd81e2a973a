//! The gate at which `child` waits until `run` has done its part: a pipe.
//!
//! Read: pipe(7).

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

/// Both ends of a pipe. After clone(2) there are two such values, one in `run` and one in
/// `child`, and each lets go of the end that it does not use.
pub struct Gate {
    reader: File,
    writer: File,
}

impl Gate {
    pub fn new() -> Result<Self> {
        // No program that we start has to do with it.
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        Ok(Self {
            reader: reader.into(),
            writer: writer.into(),
        })
    }

    /// Lets `child` go on: for `run`.
    pub fn open(self) -> Result<()> {
        let Self { reader, mut writer } = self;
        drop(reader);
        // A byte says "go on". That the pipe ends must not: it also does when we are killed.
        writer.write_all(b"!").context("tell child to go on")
    }

    /// Waits until `run` has done its part, or has ended before that: for `child`.
    pub fn opens(self) -> Result<bool> {
        let Self { mut reader, writer } = self;
        // Or we would be waiting for ourselves: a pipe ends when nobody can write to it.
        drop(writer);
        let count = reader.read(&mut [0]).context("wait for run to go on")?;
        Ok(count == 1)
    }
}
