//! What only step 6 and its answers show. The other tests of its suite stand in
//! `tests/testkit/src`: what it teaches in `lesson.rs` (`shows_the_root_filesystem_as_root`), what
//! makes it trustworthy in `dependable.rs`, how ours say what they do in `own.rs`, and what each
//! of its exercises asks for in `exercise/NAME.rs`.

use std::os::unix::fs::symlink;
use std::process::ExitCode;

use anyhow::{Context, Result};
use testkit::answers::{
    deletes_a_folder_without_root, keeps_what_the_image_has, refuses_a_folder_as_standard_input,
    refuses_a_link_to_mount_on, takes_the_hosts_root,
};
use testkit::checks;
use testkit::contract::failure::expect;
use testkit::program::Program;
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 6,
        program: env!("CARGO_BIN_EXE_step06-chroot"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: checks![
            has_an_empty_proc,
            mounts_reach_the_host,
            has_a_rootfs_that_can_be_written_to,
            takes_rootfs_in_the_current_folder_for_root,
            answers_take_the_hosts_root,
            pivot_root_refuses_a_link_to_mount_on,
        ],
        answers: &[
            (
                "pivot-root",
                &[],
                checks![refuses_a_folder_as_standard_input],
            ),
            (
                "overlay",
                &[],
                checks![keeps_what_the_image_has, deletes_a_folder_without_root],
            ),
        ],
        wrong: &[
            ("escape-goes-along", "escape::reads_a_file_outside"),
            (
                "pivot-root-keeps-the-old-root",
                "pivot-root::has_the_hosts_root_in_no_mount",
            ),
            (
                "pivot-root-not-private",
                "pivot-root::keeps_its_mounts_inside",
            ),
            ("pivot-root-is-chroot", "pivot-root::keeps_escape_inside"),
            (
                "overlay-keeps-what-is-written",
                "overlay::throws_its_writes_away",
            ),
            ("overlay-not-private", "overlay::keeps_its_mounts_inside"),
            (
                "layers-follows-links",
                "layers::writes_nothing_outside_of_the_folder",
            ),
            (
                "layers-keeps-whiteouts",
                "layers::hides_what_a_layer_has_deleted",
            ),
        ],
    })
}

/// As pivot_root(2) has it in its example: with a folder for the old root in the new one.
fn has_a_rootfs_that_can_be_written_to(program: &Program) -> Result<()> {
    let script = "mount --bind \"$ROOTFS\" \"$ROOTFS\" && cd \"$ROOTFS\" && mkdir put_old && \
                  pivot_root . put_old && exec ls -d /put_old";
    let call = program.call(&["--mount", "sh", "-c", script]);
    let ended = call.at("unshare".into()).end()?;
    ended.exits(0)?.prints("/put_old")?;
    Ok(())
}

fn has_an_empty_proc(program: &Program) -> Result<()> {
    let ended = program.run(&["ps"]).end()?;
    ended.complains(&["mount -t proc proc /proc"])?;
    ended.fails()?;
    Ok(())
}

fn mounts_reach_the_host(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    program
        .run(&["mount", "-t", "proc", "proc", "/proc"])
        .end()?
        .exits(0)?;
    let now = program.host.snapshot()?;
    expect(now != before, "a new mount on the host", "none")
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
    takes_the_hosts_root(&program.answer("overlay", &[]))?;
    takes_the_hosts_root(&program.answer("pivot-root", &[]))
}

fn pivot_root_refuses_a_link_to_mount_on(program: &Program) -> Result<()> {
    refuses_a_link_to_mount_on(&program.answer("pivot-root", &[]), &["proc"])
}
