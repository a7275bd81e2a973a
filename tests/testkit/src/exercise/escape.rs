//! After step 6: a way out of a chroot.

use std::fs;

use anyhow::{Context, Result};

use crate::check::{Check, checks};
use crate::program::{Call, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![reads_a_file_outside, ends_as_the_command_ends];

/// `PROGRAM COMMAND...`, in a container of step 6.
fn escape<'a>(program: &'a Program, command: &[&str]) -> Result<Call<'a>> {
    let rootfs = program.make_rootfs(&[&program.path])?;
    let name = program
        .path
        .file_name()
        .context("find the program's name")?;
    let name = name.to_string_lossy();
    let call = program.run(&[&[&*name], command].concat());
    Ok(call.at(program.step.clone()).with_env("ROOTFS", rootfs))
}

fn reads_a_file_outside(program: &Program) -> Result<()> {
    let file = program.host.folder.path().join("outside");
    fs::write(&file, "a file of the host\n").context("write a file")?;
    let call = escape(program, &["cat", &file.to_string_lossy()])?;
    call.end()?.exits(0)?.prints("a file of the host")?;
    Ok(())
}

fn ends_as_the_command_ends(program: &Program) -> Result<()> {
    let call = escape(program, &["sh", "-c", "exit 3"])?;
    call.end()?.exits(3)?;
    Ok(())
}
