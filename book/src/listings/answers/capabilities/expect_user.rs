/// Fails unless the command can become this user. setuid(2) would tell that, too: in the
/// command's process, where it would seem to be the command's fault.
fn expect_user((uid, gid): User) -> Result<()> {
    let groups = fs::read_to_string("/proc/self/setgroups").context("read /proc/self/setgroups")?;
    // In a user namespace only those in its maps can be asked for. These two calls do not
    // tell whether they have done something; but they do tell what was before.
    setfsgid(Gid::from_raw(gid));
    setfsuid(Uid::from_raw(uid));
    let seen = (setfsuid(geteuid()).as_raw(), setfsgid(getegid()).as_raw());
    if seen != (uid, gid) || groups == "deny\n" {
        bail!("be user {uid} and group {gid}: this user namespace has no other than its own");
    }
    Ok(())
}
