/// Lets the command be another user, who has no capabilities at all.
///
/// Between fork and exec, `Command` calls setgid(2), setgroups(2) with no group, and last
/// setuid(2), after which it could not do the others. We ourselves stay root: a new user
/// would also lose what `set_pdeathsig` has asked for.
fn become_user(command: &mut Command) -> Result<()> {
    let user = env::var_os(USER).unwrap_or_default();
    if !user.is_empty() {
        let (uid, gid) = read_user(&user)?;
        expect_user((uid, gid))?;
        command.uid(uid).gid(gid);
    }
    Ok(())
}
