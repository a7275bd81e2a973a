//! After step 7: a /dev of its own, and a /tmp.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use contract::failure::expect;
use kernelfiles::mountinfo::{self, Mount};
use kernelfiles::process;
use nix::sys::signal::Signal;
use nix::sys::stat::{major, minor};

use crate::check::{Check, checks};
use crate::exercise::pivot_root::FOLDERS;
use crate::program::Program;

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    mounts_small_file_systems,
    has_the_devices,
    has_no_other_device,
    lets_everyone_use_them,
    its_devices_work,
    its_standard_links_work,
    makes_terminals_of_its_own,
    leaves_no_way_to_the_hosts,
    leaves_the_root_filesystem_as_it_was,
];

/// The device files that have to be there, with their numbers.
const DEVICES: [(&str, &str); 7] = [
    ("full", "1:7"),
    ("null", "1:3"),
    ("pts/ptmx", "5:2"),
    ("random", "1:8"),
    ("tty", "5:0"),
    ("urandom", "1:9"),
    ("zero", "1:5"),
];

fn mounts_small_file_systems(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    let ended = program.run(&["cat", "/proc/self/mountinfo"]).end()?;
    for (path, kind) in [
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/tmp", "tmpfs"),
    ] {
        let is_it = |mount: &Mount| {
            mount.point == Path::new(path) && mount.kind == kind && mount.is("nosuid")
        };
        let holds = mountinfo::parse(ended.stdout.as_bytes()).iter().any(is_it);
        let what = format!("a {kind} on {path}, nosuid");
        ended.exits(0)?.expected(&what, holds)?;
    }
    Ok(())
}

fn has_the_devices(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    let _running = program.run(&["sleep", "1000"]).start()?;
    let seen = devices(&dev_of(program)?)?;
    for (name, number) in DEVICES {
        let holds = seen.get(name).is_some_and(|seen| seen == number);
        let what = format!("the device /dev/{name} with the number {number}");
        expect(holds, what, format_args!("{seen:?}"))?;
    }
    Ok(())
}

fn has_no_other_device(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    // Its terminal has a name on the host, which must not be found in the container.
    let _terminal = program.run(&["sleep", "1000"]).in_terminal()?;
    let mut other = devices(&dev_of(program)?)?;
    // ptmx may be a link or a device.
    other.retain(|name, _| name != "ptmx" && DEVICES.iter().all(|(known, _)| known != name));
    let names: Vec<&String> = other.keys().take(10).collect();
    expect(
        names.is_empty(),
        "no other device in /dev",
        format_args!("{names:?}"),
    )
}

fn lets_everyone_use_them(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    let closed = ["sh", "-c", "umask 077; exec \"$@\"", "sh"];
    let call = program.run(&["sleep", "1000"]).with_prefix(&closed);
    let _running = call.start()?;
    let dev = dev_of(program)?;
    let has_mode = |path: PathBuf, wanted: u32| {
        let mode = fs::metadata(&path).with_context(|| format!("look at {}", path.display()))?;
        let mode = mode.mode() & 0o7777;
        let what = format!("mode {wanted:o} for {}, whatever the umask", path.display());
        expect(mode == wanted, what, format_args!("{mode:o}"))
    };
    for (name, _) in DEVICES {
        has_mode(dev.join(name), 0o666)?;
    }
    has_mode(dev.clone(), 0o755)?;
    has_mode(dev.join("shm"), 0o1777)?;
    has_mode(dev.with_file_name("tmp"), 0o1777)
}

fn its_devices_work(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    for (script, output) in [
        ("echo lost >/dev/null && cat /dev/null && echo done", "done"),
        ("read -r -d '' text </dev/zero && echo \"<$text>\"", "<>"),
        ("read -r -N 1 text </dev/random && echo done", "done"),
        ("read -r -N 1 text </dev/urandom && echo done", "done"),
        ("echo lost >/dev/full || echo full", "full"),
        (
            "echo kept >/dev/shm/file && cat /dev/shm/file && rm /dev/shm/file",
            "kept",
        ),
        ("echo kept >/tmp/file && cat /tmp/file", "kept"),
    ] {
        let call = program.run(&["bash", "-c", script]);
        let ended = call.with_env("LC_ALL", "C").end()?;
        ended.exits(0)?.prints(output)?;
    }
    let script = "echo shown >/dev/tty; echo";
    let mut terminal = program.run(&["sh", "-c", script]).in_terminal()?;
    terminal.wait_for("shown")?;
    terminal.exits(0)
}

fn its_standard_links_work(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    for (script, output) in [
        ("echo in | cat /dev/stdin", "in"),
        ("text=$(echo out >/dev/stdout) && echo $text", "out"),
        (
            "text=$(echo error 2>&1 >/dev/stderr) && echo $text",
            "error",
        ),
        ("echo three | cat /dev/fd/3 3<&0", "three"),
    ] {
        let ended = program.run(&["sh", "-c", script]).end()?;
        ended.exits(0)?.prints(output)?;
    }
    Ok(())
}

fn makes_terminals_of_its_own(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    // This one has a name on the host, and is not counted in the container.
    let _terminal = program.run(&["sleep", "1000"]).in_terminal()?;
    // Each time that ptmx is opened, there is one terminal more.
    let script = "exec 3<>/dev/ptmx 4<>/dev/ptmx && ls /dev/pts";
    let ended = program.run_shell(script).end()?;
    ended.exits(0)?.prints("0\n1\nptmx")?;
    Ok(())
}

fn leaves_no_way_to_the_hosts(program: &Program) -> Result<()> {
    protect_rootfs(program)?;
    let ended = program.run_shell(FOLDERS).end()?;
    let holds = !ended.stdout.lines().any(|line| line.starts_with("/proc/"));
    ended.exits(0)?.prints("done")?;
    ended.expected("no folder that is still open", holds)?;
    Ok(())
}

fn leaves_the_root_filesystem_as_it_was(program: &Program) -> Result<()> {
    // One for this test alone.
    let rootfs = program.host.folder.path().join("rootfs");
    rootfs::make(&rootfs, &[]).context("make a root filesystem")?;
    let files = files(&rootfs)?;
    let before = program.host.snapshot()?;
    let running = program
        .run_shell("echo lost >/tmp/file; echo started; exec sleep 1000")
        .with_env("ROOTFS", &rootfs)
        .started()?;
    expect_files(&rootfs, &files)?;
    program.host.expect_unchanged(&before)?;
    running.end_with(Signal::SIGTERM)?;
    expect_files(&rootfs, &files)?;
    program.host.expect_unchanged(&before)
}

/// What a wrong answer makes in the root filesystem must not be there for the next test.
fn protect_rootfs(program: &Program) -> Result<()> {
    program.host.make_read_only(&program.rootfs)
}

/// The /dev of a container that sleeps, as the host can reach it.
fn dev_of(program: &Program) -> Result<PathBuf> {
    let pid = program.host.find_process(&["sleep", "1000"])?;
    Ok(process::path(pid, "root/dev"))
}

/// The device files in a folder and all below it, with their numbers.
fn devices(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for path in files(folder)? {
        let file = path.symlink_metadata();
        // A terminal may be closed, and gone, meanwhile.
        let Ok(file) = file else { continue };
        let kind = file.file_type();
        if kind.is_char_device() || kind.is_block_device() {
            let name = path.strip_prefix(folder).context("name a device")?;
            let number = format!("{}:{}", major(file.rdev()), minor(file.rdev()));
            found.insert(name.to_string_lossy().into_owned(), number);
        }
    }
    Ok(found)
}

/// The files in a folder and all below it.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("list {}", folder.display()))? {
        let entry = entry.context("list a folder")?;
        if entry.file_type().context("look at a file")?.is_dir() {
            found.extend(files(&entry.path())?);
        }
        found.insert(entry.path());
    }
    Ok(found)
}

fn expect_files(folder: &Path, before: &BTreeSet<PathBuf>) -> Result<()> {
    let now = files(folder)?;
    let changed: Vec<&PathBuf> = now.symmetric_difference(before).collect();
    let seen = format!("{changed:?} made or deleted");
    expect(changed.is_empty(), "the root filesystem as it was", seen)
}
