//! What is written of a failure is read as it was.

use contract::failure::{Failure, Obstacle, expect};

#[test]
fn a_failure_is_read_as_it_was_written() {
    let failure = Failure {
        ran: "mine run sh -c 'echo\nhello'".into(),
        expected: "exit status 0".into(),
        seen: "exit status 1\nand more".into(),
        said: vec![
            ("standard output".into(), "one\n\nexpected: two\n".into()),
            ("standard error".into(), "ran:\n".into()),
        ],
        ..Failure::default()
    };
    assert_eq!(Failure::from(&*failure.to_string()), failure);
    let failure = failure.in_chapter(3);
    assert_eq!(Failure::from(&*failure.to_string()), failure);
    assert_eq!(failure.said("standard error"), Some("ran:\n"));
}

#[test]
fn an_obstacle_is_read_as_it_was_written() {
    for obstacle in [Obstacle::NoRoot, Obstacle::NoHost, Obstacle::NotAsked] {
        let failure = Failure::not_asked(obstacle("why".into())).in_chapter(8);
        assert_eq!(Failure::from(&*failure.to_string()), failure);
    }
}

#[test]
fn what_is_no_failure_was_seen() {
    let failure = Failure::from("panicked at a line\nand more\n");
    assert_eq!(failure, Failure::new("", "panicked at a line\nand more"));
}

#[test]
fn an_error_on_the_way_of_a_failure_is_kept() {
    let error = expect(false, "one", "none").unwrap_err();
    let failure = Failure::of(&error.context("after SIGKILL"));
    assert_eq!(failure, Failure::new("one", "none\nafter SIGKILL"));
    let failure = Failure::of(&anyhow::anyhow!("Is a directory"));
    assert_eq!(failure.seen, "Is a directory");
}
