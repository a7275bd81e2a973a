/// Takes all capabilities but those in `KEPT` away, from us and from all that we start.
fn drop_capabilities() -> Result<()> {
    let kept = KEPT.iter().map(|(_, number)| 1 << number).sum();
    // This takes CAP_SETPCAP, and so comes first.
    limit_bounding_set(kept)?;
    limit_own_sets(kept)?;
    // And a file that is setuid, or has capabilities, gives none to who executes it.
    set_no_new_privs().context("set no_new_privs")
}
