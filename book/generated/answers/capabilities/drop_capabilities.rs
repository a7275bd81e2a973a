/// Takes all capabilities but these away from the command, and from all that it starts.
pub fn drop_capabilities(kept: u64) -> Result<()> {
    // This takes CAP_SETPCAP, and so comes first.
    limit_bounding_set(kept)?;
    // We are left with more than the command: what it gets at execve(2) is the other set.
    limit_own_sets(kept | OURS)?;
    // And a file that is setuid, or has capabilities, gives none to who executes it.
    set_no_new_privs().context("set no_new_privs")
}
