//! After step 4: an ID for each container, and a name.

use std::collections::BTreeSet;

use anyhow::Result;
use contract::failure::expect;

use crate::check::{Check, checks};
use crate::program::{EXECUTED, Ended, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    prints_an_id_of_64_characters_first,
    draws_another_id_each_time,
    has_the_first_12_characters_as_hostname,
    has_the_name_as_hostname,
    refuses_a_name_of_65_characters,
    gives_the_rest_to_the_command,
    refuses_what_is_no_option,
];

fn prints_an_id_of_64_characters_first(program: &Program) -> Result<()> {
    for options in [&[][..], &["--name", "web"]] {
        id(program.run_with(options, &["true"]).end()?.exits(0)?)?;
    }
    Ok(())
}

/// The first line, if that is an ID.
pub(super) fn id(ended: &Ended) -> Result<&str> {
    let id = ended.stdout.lines().next().unwrap_or_default();
    let is_one = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let holds = id.len() == 64 && id.chars().all(is_one);
    ended.expected("64 characters of a-z and 0-9 in the first line", holds)?;
    Ok(id)
}

fn draws_another_id_each_time(program: &Program) -> Result<()> {
    let mut ids = BTreeSet::new();
    for _ in 0..16 {
        let ended = program.run(&["true"]).end()?;
        let is_new = ids.insert(id(&ended)?.to_owned());
        ended.expected("another ID than in the runs before", is_new)?;
    }
    // In 1,024 characters one of the 36 is missing once in a hundred billion times.
    let used: BTreeSet<char> = ids.iter().flat_map(|id| id.chars()).collect();
    let what = "all of a-z and 0-9 somewhere in 16 IDs";
    expect(used.len() == 36, what, format_args!("only {used:?}"))
}

fn has_the_first_12_characters_as_hostname(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = program.run(&["hostname"]).end()?;
    ended.exits(0)?.prints(&id(&ended)?[..12])?;
    program.host.expect_unchanged(&before)
}

fn has_the_name_as_hostname(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    // Linux has room for 64 characters.
    for name in ["web", &"n".repeat(64)] {
        let call = program.run_with(&["--name", name], &["hostname"]);
        call.end()?.exits(0)?.prints(name)?;
    }
    program.host.expect_unchanged(&before)
}

fn refuses_a_name_of_65_characters(program: &Program) -> Result<()> {
    let call = program.run_with(&["--name", &"n".repeat(65)], EXECUTED);
    let ended = call.end()?;
    ended.exits(125)?.does_not_panic()?.has_executed_nothing()?;
    Ok(())
}

fn gives_the_rest_to_the_command(program: &Program) -> Result<()> {
    let call = program.run_with(&["--name", "web", "--"], &["echo", "--name", "db"]);
    call.end()?.exits(0)?.prints("--name db")?;
    Ok(())
}

fn refuses_what_is_no_option(program: &Program) -> Result<()> {
    for options in [&["--name"][..], &["--name", "web"], &["--nom", "web"]] {
        program.run_with(options, &[]).end()?.is_wrong_usage()?;
    }
    Ok(())
}
