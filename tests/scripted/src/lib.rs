//! Tests that are functions of a shell script, each in a folder, a mount namespace and a UTS
//! namespace of its own. They take root, and can hide or cover what they like of the machine.
//!
//! In the folder, which every user may enter, are `program`, with what is tested, and `here`,
//! where the test begins. `helpers.sh` has what more than one script needs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

const HELPERS: &str = include_str!("helpers.sh");

/// Runs the functions of `script` that stand below a line `# The tests.`, with the program at
/// this path, and these variables.
pub fn run(script: &str, program: &'static str, variables: &[(&'static str, &Path)]) -> ExitCode {
    let (_, tests) = script.split_once("\n# The tests.\n").expect("tests");
    let names = tests.lines().filter_map(|line| line.strip_suffix("() {"));
    // What is indented stands within a test.
    let names = names.filter(|name| !name.starts_with(' '));
    let trials = names.map(|name| {
        let whole = format!("{HELPERS}\n{script}\n{name}");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--uts", "--propagation", "private"])
            .args(["bash", "-c", &whole, "bash", program])
            .env_remove("ROOTFS")
            .env("TERM", "dumb")
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        let test = || holds(command).map_err(|error| Failed::from(format!("{error:#}")));
        Trial::test(name, test)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Fails unless this ends well in a new folder.
fn holds(mut command: Command) -> Result<()> {
    let folder = TempDir::new().context("make a temporary folder")?;
    let all = Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), all).context("let all into it")?;
    let output = command.current_dir(folder.path()).output();
    let output = output.context("execute unshare")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let status = output.status;
    ensure!(status.success(), "{status}: {stdout}{stderr}");
    Ok(())
}
