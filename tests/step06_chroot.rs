//! What only step 6 shows. What it teaches, and every later step keeps, is asked by the
//! testkit: `tests/testkit/src/lesson.rs` and `dependable.rs`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use testkit::answers::{
    deletes_a_folder_without_root, keeps_what_the_image_has, refuses_a_folder_as_standard_input,
    refuses_a_link_to_mount_on, takes_the_hosts_root,
};
use testkit::program::{Call, Program};

fn main() -> ExitCode {
    testkit::suite!(6, "step06-chroot", own: [
        has_an_empty_proc,
        mounts_reach_the_host,
        takes_rootfs_in_the_current_folder_for_root,
        answers_take_the_hosts_root,
        rootfs_tells_what_it_took_and_keeps_it_unless_told,
        rootfs_leaves_a_folder_alone_that_it_did_not_make,
        rootfs_leaves_what_is_mounted_in_it_alone,
        rootfs_names_the_package_of_a_missing_program,
        rootfs_leaves_nothing_on_a_full_disk,
        rootfs_adds_a_program_with_its_libraries,
        rootfs_adds_device_files_once_it_is_root,
        pivot_root_refuses_a_link_to_mount_on,
        pivot_root_refuses_a_folder_as_standard_input,
        overlay_keeps_what_the_image_has,
        overlay_deletes_a_folder_without_root,
    ], exercises: [
        "escape": wrong [
            "escape-goes-along" fails "reads_a_file_outside",
        ],
        "pivot-root": wrong [
            "pivot-root-keeps-the-old-root" fails "has_the_hosts_root_in_no_mount",
            "pivot-root-not-private" fails "keeps_its_mounts_inside",
            "pivot-root-is-chroot" fails "keeps_escape_inside",
        ],
        "overlay": wrong [
            "overlay-keeps-what-is-written" fails "throws_its_writes_away",
            "overlay-not-private" fails "keeps_its_mounts_inside",
        ],
    ])
}

fn has_an_empty_proc(program: &Program) -> Result<()> {
    let ended = program.run(&["ps"]).end()?;
    ended.complains(&["mount -t proc proc /proc"])?;
    ended.expected("an exit status other than 0", ended.code() != 0)?;
    Ok(())
}

fn mounts_reach_the_host(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    program
        .run(&["mount", "-t", "proc", "proc", "/proc"])
        .end()?
        .exits(0)?;
    let now = program.host.snapshot()?;
    ensure!(
        now != before,
        "expected: a new mount on the host\nseen:     none"
    );
    Ok(())
}

fn takes_rootfs_in_the_current_folder_for_root(program: &Program) -> Result<()> {
    let link = program.host.folder.path().join("rootfs");
    symlink(&program.rootfs, link).context("make a link")?;
    let unset = ["env", "--unset=ROOTFS"];
    let ended = program.run(&["ls", "/"]).with_prefix(&unset).end()?;
    let expected = program.run(&["ls", "/"]).end()?;
    let holds = ended
        .stdout
        .lines()
        .skip(2)
        .eq(expected.stdout.lines().skip(2));
    ended.exits(0)?.expected("what is in rootfs", holds)?;
    Ok(())
}

fn answers_take_the_hosts_root(program: &Program) -> Result<()> {
    takes_the_hosts_root(program, "overlay", &[])?;
    takes_the_hosts_root(program, "pivot-root", &[])
}

/// `rootfs ARGS...`, which makes a folder `rootfs` in the test's own folder.
fn make<'a>(program: &'a Program, args: &[&str]) -> Call<'a> {
    program.call(args).at(env!("CARGO_BIN_EXE_rootfs").into())
}

fn rootfs_tells_what_it_took_and_keeps_it_unless_told(program: &Program) -> Result<()> {
    let ended = make(program, &["there"]).end()?;
    let parts = ["there: ", "bash", "ps", "libraries", " MB"];
    let holds = parts.iter().all(|part| ended.stdout.contains(part));
    ended
        .exits(0)?
        .expected("the programs, and the size", holds)?;

    let mark = program.host.folder.path().join("there/root/mine");
    fs::write(&mark, "mine").context("write a file")?;
    let ended = make(program, &["there"]).end()?;
    ended
        .exits(0)?
        .expected("`kept`", ended.stdout.contains("kept"))?;
    ended.expected("the file that was in it", mark.exists())?;

    let ended = make(program, &["there", "--fresh"]).end()?;
    ended
        .exits(0)?
        .expected("no file from before", !mark.exists())?;
    expect_files(program, &["there"])
}

fn rootfs_leaves_a_folder_alone_that_it_did_not_make(program: &Program) -> Result<()> {
    let mark = program.host.folder.path().join("home/mine");
    fs::create_dir(program.host.folder.path().join("home")).context("make a folder")?;
    fs::write(&mark, "mine").context("write a file")?;
    for args in [&["home", "--fresh"][..], &["home", "--add", "sleep"]] {
        let ended = make(program, args).end()?;
        ended.exits(125)?.complains(&["home", "did not make it"])?;
        ended.expected("the file that was in it", mark.exists())?;
    }
    expect_files(program, &["home"])
}

fn rootfs_leaves_what_is_mounted_in_it_alone(program: &Program) -> Result<()> {
    let folder = program.host.folder.path().join("rootfs/tmp");
    fs::create_dir_all(&folder).context("make a folder")?;
    // With this file in it, it could be deleted.
    fs::write(folder.with_file_name(".made-by-rootfs"), "").context("write a file")?;
    program.host.mount_tmpfs(&folder, "1m")?;
    fs::write(folder.join("mine"), "mine").context("write a file")?;
    let ended = make(program, &["--fresh"]).end()?;
    ended.exits(125)?.complains(&["mounted", "rootfs/tmp"])?;
    ended.expected(
        "the file that is mounted in it",
        folder.join("mine").exists(),
    )?;
    expect_files(program, &["rootfs"])
}

fn rootfs_names_the_package_of_a_missing_program(program: &Program) -> Result<()> {
    program.host.hide_program("ps")?;
    let ended = make(program, &[]).end()?;
    ended
        .exits(125)?
        .complains(&["no ps", "apt-get install procps"])?;
    expect_files(program, &[])
}

fn rootfs_leaves_nothing_on_a_full_disk(program: &Program) -> Result<()> {
    let disk = program.host.folder.path().join("disk");
    fs::create_dir(&disk).context("make a folder")?;
    program.host.mount_tmpfs(&disk, "2m")?;
    let ended = make(program, &["disk/rootfs"]).end()?;
    ended.exits(125)?.complains(&["No space left on device"])?;
    let left = fs::read_dir(&disk).context("list a folder")?.count();
    ended.expected("an empty folder", left == 0)?;
    Ok(())
}

fn rootfs_adds_device_files_once_it_is_root(program: &Program) -> Result<()> {
    let folder = program.host.folder.path();
    // The root of a user namespace may not make them, as an ordinary user may not.
    for said in ["libraries", "kept"] {
        let ended = make(program, &[]).with_prefix(&["unshare", "-r"]).end()?;
        let holds = ended.stdout.contains(said) && ended.stdout.contains("no device files");
        ended
            .exits(0)?
            .expected("`no device files, which take root`", holds)?;
    }
    let null = folder.join("rootfs/dev/null");
    fs::write(&null, "what somebody wrote to /dev/null").context("write a file")?;
    let ended = make(program, &[]).end()?;
    let holds = ended.stdout.contains("kept") && !ended.stdout.contains("device");
    ended.exits(0)?.expected("`kept`", holds)?;
    let kind = fs::metadata(&null)
        .context("look at /dev/null")?
        .file_type();
    ended.expected("a device file", kind.is_char_device())?;
    expect_files(program, &["rootfs"])
}

fn rootfs_adds_a_program_with_its_libraries(program: &Program) -> Result<()> {
    make(program, &[]).end()?.exits(0)?;
    // A program in Rust needs libgcc_s, which no other program in there brings.
    let own = Path::new(env!("CARGO_BIN_EXE_step06-chroot"));
    make(program, &["--add", &own.to_string_lossy()])
        .end()?
        .exits(0)?;
    let rootfs = program.host.folder.path().join("rootfs");
    let name = own
        .file_name()
        .and_then(OsStr::to_str)
        .context("find the name")?;
    let call = program.run(&[name, "--help"]).with_env("ROOTFS", rootfs);
    call.end()?
        .exits(0)?
        .prints("usage: step06-chroot run COMMAND [ARG...]")?;
    let ended = make(program, &["--add", "no-such-program"]).end()?;
    ended.exits(125)?.complains(&["no-such-program"])?;
    Ok(())
}

/// Fails unless these are all the files in the test's folder.
fn expect_files(program: &Program, names: &[&str]) -> Result<()> {
    let files = fs::read_dir(program.host.folder.path()).context("list a folder")?;
    let seen = files
        .map(|file| Ok(file?.file_name()))
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        seen == names,
        "expected: the files {names:?}\nseen:     {seen:?}"
    );
    Ok(())
}

fn pivot_root_refuses_a_link_to_mount_on(program: &Program) -> Result<()> {
    refuses_a_link_to_mount_on(program, "pivot-root", &["proc"])
}

fn pivot_root_refuses_a_folder_as_standard_input(program: &Program) -> Result<()> {
    refuses_a_folder_as_standard_input(program, "pivot-root")
}

fn overlay_keeps_what_the_image_has(program: &Program) -> Result<()> {
    keeps_what_the_image_has(program, "overlay", &[])
}

fn overlay_deletes_a_folder_without_root(program: &Program) -> Result<()> {
    deletes_a_folder_without_root(program, "overlay", &[])
}
