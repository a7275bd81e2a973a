/// Makes user and group 0 of the new user namespace stand for ours outside.
///
/// To map any others takes root: real runtimes call newuidmap(1), which has the setuid bit.
fn map_ids(user: Uid, group: Gid) -> Result<()> {
    // A file may be closed to a group and open to all others. Who could leave that group
    // would get in, so an ordinary user may map a group only if setgroups(2) is forbidden.
    write_once("/proc/self/setgroups", "deny")?;
    // The first ID inside, the first one outside, and how many there are.
    write_once("/proc/self/uid_map", &format!("0 {user} 1"))?;
    write_once("/proc/self/gid_map", &format!("0 {group} 1"))
}
