//! The gate at which `child` waits until `run` has done its part: a pipe.
//!
//! Read: pipe(7).

use std::fs::File;
use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
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

    /// Lets `child` go on: for `run`, which has to keep what it gets as long as it lives.
    pub fn open(self) -> Result<File> {
        let Self { reader, mut writer } = self;
        drop(reader);
        // A byte says "go on". That the pipe ends must not: it also does when we are killed.
        writer.write_all(b"!").context("tell child to go on")?;
        Ok(writer)
    }

    /// Waits until `run` has done its part, or has ended before that: for `child`.
    pub fn opens(self) -> Result<bool> {
        let Self { mut reader, writer } = self;
        // Or we would be waiting for ourselves: a pipe ends when nobody can write to it.
        drop(writer);
        let what = "wait for run to go on";
        if reader.read(&mut [0]).context(what)? == 0 {
            return Ok(false);
        }
        // The byte outlives `run`. But as long as `run` is there, so is the end that it writes
        // to, and a second read(2) would wait: EAGAIN.
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context(what)?;
        match reader.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            result => result.map(|_| false).context(what),
        }
    }
}
