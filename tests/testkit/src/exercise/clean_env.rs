//! After step 2: an environment of its own.

use anyhow::Result;

use crate::check::{Check, checks};
use crate::program::Program;

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    keeps_the_callers_environment_out,
    has_path_home_and_term,
    adds_what_is_asked_for,
    gives_the_rest_to_the_command,
    refuses_what_is_no_variable,
];

fn keeps_the_callers_environment_out(program: &Program) -> Result<()> {
    let ended = program.run(&["env"]).with_env("SECRET", "hunter2").end()?;
    let holds = !ended.stdout.contains("hunter2");
    ended.exits(0)?.expected("no SECRET in the output", holds)?;
    Ok(())
}

fn has_path_home_and_term(program: &Program) -> Result<()> {
    let ended = program.run(&["env"]).with_env("SECRET", "hunter2").end()?;
    let lines = ended.stdout.lines().filter(|line| line.contains('='));
    let mut names: Vec<&str> = lines.filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let holds = names == ["HOME", "PATH", "TERM"];
    ended
        .exits(0)?
        .expected("HOME, PATH and TERM, and no other variable", holds)?;
    Ok(())
}

fn adds_what_is_asked_for(program: &Program) -> Result<()> {
    let options = ["--env", "COLOUR=blue=green", "--env", "EMPTY="];
    let script = "echo \"$COLOUR,${EMPTY-unset},$HOME\"";
    let call = program.run_with(&options, &["sh", "-c", script]);
    call.end()?.exits(0)?.prints("blue=green,,/root")?;
    let call = program.run_with(&["--env", "HOME=/tmp"], &["sh", "-c", "echo $HOME"]);
    call.end()?.exits(0)?.prints("/tmp")?;
    Ok(())
}

fn gives_the_rest_to_the_command(program: &Program) -> Result<()> {
    let call = program.run_with(&["--env", "A=1", "--"], &["echo", "--env", "B=2"]);
    call.end()?.exits(0)?.prints("--env B=2")?;
    Ok(())
}

fn refuses_what_is_no_variable(program: &Program) -> Result<()> {
    for options in [&["--env"][..], &["--env", "COLOUR"], &["--colour", "blue"]] {
        program.run_with(options, &[]).end()?.is_wrong_usage()?;
    }
    Ok(())
}
