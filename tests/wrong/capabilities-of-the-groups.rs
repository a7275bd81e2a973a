//! Wrong: another user and another group, but root's other groups stay, and with them the
//! right to what belongs to `disk` or `shadow`.

mod right;

use anyhow::Context;
use nix::unistd::{Gid, Uid, setgid, setuid};

fn main() {
    right::container(|mut argv| {
        let user = right::take_option(&mut argv, "--user");
        right::enter_root_with_proc()?;
        let (uid, gid) = user
            .and_then(|user| user.split_once(':'))
            .context("find the user")?;
        // Missing: setgroups(&[]).
        setgid(Gid::from_raw(gid.parse()?))?;
        setuid(Uid::from_raw(uid.parse()?))?;
        right::execute(argv)
    })
}
