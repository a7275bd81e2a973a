//! After step 7: folders of the host in the container.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::check::{Check, checks};
use crate::exercise::pivot_root::FOLDERS;
use crate::program::{EXECUTED, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    writes_arrive_on_the_host,
    refuses_writes_if_read_only,
    mounts_several,
    keeps_the_mounts_inside,
    leaves_no_folder_open,
    follows_links_as_the_command_does,
    gives_the_rest_to_the_command,
    refuses_a_folder_that_is_not_there,
    refuses_what_is_no_volume,
];

/// Makes a folder of the host, with the file `old` in it.
pub(super) fn make_folder(program: &Program, name: &str) -> Result<PathBuf> {
    let folder = program.host.folder.path().join(name);
    fs::create_dir(&folder).context("make a folder")?;
    fs::write(folder.join("old"), format!("from the host's {name}\n")).context("write a file")?;
    Ok(folder)
}

fn writes_arrive_on_the_host(program: &Program) -> Result<()> {
    let folder = make_folder(program, "folder")?;
    let volume = format!("{}:/root", folder.display());
    let script = "cat /root/old && echo new >/root/new";
    let ended = program
        .run_with(&["--volume", &volume], &["sh", "-c", script])
        .end()?;
    ended.exits(0)?.prints("from the host's folder")?;
    let seen = fs::read_to_string(folder.join("new")).unwrap_or_default();
    ended.expected("`new` in the file `new` on the host", seen == "new\n")?;
    Ok(())
}

fn refuses_writes_if_read_only(program: &Program) -> Result<()> {
    let folder = make_folder(program, "folder")?;
    let volume = format!("{}:/root:ro", folder.display());
    let script = "cat /root/old && ! touch /root/new && ! rm /root/old && echo refused";
    let ended = program
        .run_with(&["--volume", &volume], &["sh", "-c", script])
        .end()?;
    ended
        .exits(0)?
        .complains(&["Read-only file system"])?
        .prints("from the host's folder\nrefused")?;
    let holds = folder.join("old").exists() && !folder.join("new").exists();
    ended.expected("the folder on the host as it was", holds)?;
    Ok(())
}

fn mounts_several(program: &Program) -> Result<()> {
    let [one, other] = ["one", "other"].map(|name| make_folder(program, name));
    let one = format!("{}:/root:ro", one?.display());
    let other = format!("{}:/tmp", other?.display());
    let script = "cat /root/old /tmp/old && ! touch /root/new && touch /tmp/new";
    let options = ["--volume", &one, "--volume", &other];
    let ended = program.run_with(&options, &["sh", "-c", script]).end()?;
    ended
        .exits(0)?
        .prints("from the host's one\nfrom the host's other")?;
    Ok(())
}

fn keeps_the_mounts_inside(program: &Program) -> Result<()> {
    let folder = make_folder(program, "folder")?;
    let volume = format!("{}:/root:ro", folder.display());
    // On a mount of its own, as /home often is: there it is not enough if / is private.
    let rootfs = program.host.expose(&program.rootfs)?;
    let before = program.host.snapshot()?;
    let script = "test -e /root/old && echo started; exec sleep 1000";
    let running = program
        .run_with(&["--volume", &volume], &["sh", "-c", script])
        .with_env("ROOTFS", rootfs.path())
        .started()?;
    program.host.expect_unchanged(&before)?;
    // The host itself still writes to its folder.
    fs::write(folder.join("later"), "").context("write to the folder that is a volume")?;
    running.end_with(Signal::SIGTERM)?;
    program.host.expect_unchanged(&before)
}

fn leaves_no_folder_open(program: &Program) -> Result<()> {
    let folder = make_folder(program, "folder")?;
    let volume = format!("{}:/root", folder.display());
    let call = program.run_with(&["--volume", &volume], &["sh", "-c", FOLDERS]);
    let ended = call.end()?;
    let holds = !ended.stdout.lines().any(|line| line.starts_with("/proc/"));
    ended.exits(0)?.prints("done")?;
    ended.expected("no folder that a process of the container has open", holds)?;
    Ok(())
}

fn follows_links_as_the_command_does(program: &Program) -> Result<()> {
    let folder = make_folder(program, "folder")?;
    let volume = format!("{}:/link", folder.display());
    // As Debian's /var/run leads to /run. The host has no such folder.
    let rootfs = program.make_rootfs(&[])?;
    fs::create_dir(rootfs.join("only-inside")).context("make a folder")?;
    symlink("/only-inside", rootfs.join("link")).context("make a link")?;
    let call = program.run_with(&["--volume", &volume], &["cat", "/only-inside/old"]);
    let ended = call.with_env("ROOTFS", rootfs).end()?;
    ended.exits(0)?.prints("from the host's folder")?;
    Ok(())
}

fn gives_the_rest_to_the_command(program: &Program) -> Result<()> {
    let folder = make_folder(program, "folder")?;
    let volume = format!("{}:/root", folder.display());
    let options = ["--volume", &volume, "--"];
    let ended = program
        .run_with(&options, &["echo", "--volume", "x"])
        .end()?;
    ended.exits(0)?.prints("--volume x")?;
    Ok(())
}

fn refuses_a_folder_that_is_not_there(program: &Program) -> Result<()> {
    let nowhere = program.host.folder.path().join("nowhere");
    let volume = format!("{}:/root", nowhere.display());
    let before = program.host.snapshot()?;
    let ended = program.run_with(&["--volume", &volume], EXECUTED).end()?;
    ended
        .exits(125)?
        .complains(&["nowhere", "No such file or directory"])?
        .does_not_panic()?;
    ended.has_executed_nothing()?;
    program.host.expect_unchanged(&before)
}

fn refuses_what_is_no_volume(program: &Program) -> Result<()> {
    for options in [
        &["--volume"][..],
        &["--volume", "/tmp"],
        &["--volume", ":/tmp"],
        &["--volume", "/tmp:"],
        &["--volume", "/tmp:relative"],
        &["--volume", "/tmp:/tmp:rx"],
        &["--volumes", "/tmp:/tmp"],
    ] {
        program
            .run_with(options, EXECUTED)
            .end()?
            .is_wrong_usage()?;
    }
    Ok(())
}
