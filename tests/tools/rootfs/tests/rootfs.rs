//! What `rootfs` does, in good places and in bad ones: the functions of `rootfs.sh`, each in a
//! mount namespace and a folder of its own. This takes root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

const SCRIPT: &str = include_str!("rootfs.sh");

fn main() -> ExitCode {
    let (_, tests) = SCRIPT.split_once("\n# The tests.\n").unwrap_or_default();
    let names = tests.lines().filter_map(|line| line.strip_suffix("() {"));
    let trials = names.map(|name| {
        let test = || holds(name).map_err(|error| Failed::from(format!("{error:#}")));
        Trial::test(name, test)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Fails unless this part of the script ends well.
fn holds(name: &str) -> Result<()> {
    let folder = TempDir::new().context("make a temporary folder")?;
    let folder = folder.path();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).context("let all into it")?;
    for (name, mode) in [("program", 0o755), ("here", 0o777)] {
        let path = folder.join(name);
        fs::create_dir(&path).context("make a folder")?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).context("set its mode")?;
    }
    // A copy that every user may execute, for the program may lie in a home that is closed. Not
    // fs::copy: a process that another thread starts meanwhile would inherit the file, open
    // for writing, and so nobody could execute it.
    let copy = ["-m", "755", env!("CARGO_BIN_EXE_rootfs"), "program/rootfs"];
    run(folder, Command::new("install").args(copy))?;
    run(
        folder,
        Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(["bash", "-c", SCRIPT, "rootfs.sh", name])
            .env_remove("ROOTFS")
            .env("TERM", "dumb")
            .stdin(Stdio::null()),
    )
}

fn run(folder: &Path, command: &mut Command) -> Result<()> {
    let output = command.current_dir(folder).output();
    let output = output.with_context(|| format!("execute {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    ensure!(
        output.status.success(),
        "{}: {stdout}{stderr}",
        output.status
    );
    Ok(())
}
