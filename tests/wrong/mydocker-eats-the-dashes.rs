//! Wrong: `--name` takes the next word, whatever it is. In `--name -- /bin/sh` that is `--`,
//! and so the container is called `--`: an option whose value may be left out has to look.

mod right;

use anyhow::ensure;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn main() {
    right::main(|args| {
        ensure!(
            args.len() > 4,
            "usage: --action run --name [NAME] -- COMMAND"
        );
        ensure!(args[..3] == ["--action", "run", "--name"], "usage");
        println!("{}", "abcdefgh12345678".repeat(4));
        unshare(CloneFlags::CLONE_NEWUTS)?;
        sethostname(&args[3])?;
        right::execute(&args[4..])
    })
}
