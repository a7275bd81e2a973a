//! Wrong: `run` draws an ID and prints it, and `child`, a second start of the same program,
//! draws another for the hostname. Memory does not outlive exec: what `child` has to know,
//! it must be told.

mod right;

use std::fs::File;
use std::io::Read;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn main() {
    right::run_and_child(run, |mut argv| {
        match right::take_option(&mut argv, "--name") {
            Some(name) => sethostname(name)?,
            None => sethostname(&draw_id()?[..12])?,
        }
        right::execute(argv)
    })
}

fn run(argv: &[String]) -> Result<i32> {
    println!("{}", draw_id()?);
    unshare(CloneFlags::CLONE_NEWUTS)?;
    Ok(right::exit_code(right::start_child(argv)?.wait()?))
}

fn draw_id() -> Result<String> {
    let mut id = String::new();
    let mut byte = [0];
    while id.len() < 64 {
        File::open("/dev/urandom")?.read_exact(&mut byte)?;
        let character = char::from(byte[0]);
        if character.is_ascii_lowercase() || character.is_ascii_digit() {
            id.push(character);
        }
    }
    Ok(id)
}
