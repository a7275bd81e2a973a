//! What only step 7 and its answers show. The other tests of its suite stand in
//! `tests/testkit/src`: what it teaches in `lesson.rs` (`keeps_its_mounts_inside`), what
//! makes it trustworthy in `dependable.rs`, how ours say what they do in `own.rs`, and what each
//! of its exercises asks for in `exercise/NAME.rs`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::answers::{
    keeps_what_a_mount_forbids, refuses_a_link_to_mount_on, refuses_a_volume_without_effect,
    takes_along_what_is_mounted_below,
};
use testkit::checks;
use testkit::program::Program;
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 7,
        program: env!("CARGO_BIN_EXE_step07-proc"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: checks![
            shows_child_as_pid_1,
            has_as_many_processes_as_it_likes,
            it_and_answers_refuse_a_link_to_mount_on,
        ],
        answers: &[(
            "volume",
            &[],
            checks![
                refuses_a_volume_without_effect,
                keeps_what_a_mount_forbids,
                takes_along_what_is_mounted_below
            ],
        )],
        wrong: &[
            (
                "volume-before-chroot",
                "volume::follows_links_as_the_command_does",
            ),
            (
                "volume-read-only-at-once",
                "volume::refuses_writes_if_read_only",
            ),
            ("dev-from-the-host", "dev::has_no_other_device"),
            (
                "dev-in-the-rootfs",
                "dev::leaves_the_root_filesystem_as_it_was",
            ),
            (
                "own-proc-mounted-over",
                "own-proc::leaves_no_other_proc_beneath",
            ),
            (
                "own-proc-not-private",
                "own-proc::leaves_the_hosts_proc_untouched",
            ),
        ],
    })
}

fn shows_child_as_pid_1(program: &Program) -> Result<()> {
    // The kernel names a process after the file that it executed: /proc/self/exe.
    let ended = program.run(&["ps", "-e", "-o", "pid=,comm="]).end()?;
    let words: Vec<&str> = ended
        .stdout
        .lines()
        .skip(2)
        .flat_map(str::split_whitespace)
        .collect();
    let holds = words == ["1", "exe", "2", "ps"];
    ended.exits(0)?.expected("1 exe, and 2 ps", holds)?;
    Ok(())
}

fn has_as_many_processes_as_it_likes(program: &Program) -> Result<()> {
    let script = "for i in $(seq 30); do sleep 1000 & done; echo done";
    program
        .run(&["bash", "-c", script])
        .end()?
        .exits(0)?
        .prints("done")?;
    Ok(())
}

fn it_and_answers_refuse_a_link_to_mount_on(program: &Program) -> Result<()> {
    for name in ["step07-proc", "volume"] {
        refuses_a_link_to_mount_on(&program.answer(name, &[]), &["proc"])?;
    }
    refuses_a_link_to_mount_on(&program.answer("dev", &[]), &["proc", "dev", "tmp"])
}
