//! What only step 5 and its answers show. The other tests of its suite stand in
//! `tests/testkit/src`: what it teaches in `lesson.rs` (`numbers_its_processes_from_1`), what
//! makes it trustworthy in `dependable.rs`, how ours say what they do in `own.rs`, and what each
//! of its exercises asks for in `exercise/NAME.rs`.

use std::process::ExitCode;

use testkit::answers::{
    does_not_blame_the_command, ends_as_the_command_if_nobody_can_be_told,
    says_that_it_has_to_be_readable, says_that_memory_is_short, says_what_a_cable_takes,
};
use testkit::checks;
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 5,
        program: env!("CARGO_BIN_EXE_step05-pid"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: &[],
        answers: &[
            (
                "clone",
                &[],
                checks![
                    ends_as_the_command_if_nobody_can_be_told,
                    says_that_memory_is_short
                ],
            ),
            ("init", &[], checks![does_not_blame_the_command]),
            ("veth", &[], checks![says_what_a_cable_takes]),
            ("rootless", &[], checks![says_that_it_has_to_be_readable]),
        ],
        wrong: &[
            ("init-reaps-only-its-child", "init::leaves_no_zombie"),
            ("init-reaps-one-per-signal", "init::leaves_no_zombie"),
            (
                "clone-forgets-sigchld",
                "clone::ends_with_the_exit_status_of_the_command",
            ),
            ("rootless-maps-no-group", "rootless::is_root_inside"),
            (
                "rootless-needs-root",
                "rootless::makes_files_that_belong_to_the_user",
            ),
            ("enter-keeps-its-root", "enter::sees_its_root"),
            ("enter-without-a-child", "enter::has_a_pid_inside"),
            (
                "veth-one-name-for-all",
                "veth::gives_twenty_at_once_an_address_each",
            ),
            (
                "veth-after-the-start",
                "veth::is_ready_before_the_command_starts",
            ),
        ],
    })
}
