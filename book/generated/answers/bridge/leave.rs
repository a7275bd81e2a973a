/// Removes the bridge, if we are the last who use it.
fn leave(&self) -> Result<()> {
    // This takes the place of our shared lock, if there are no others.
    match self.namespace.relock(FlockArg::LockExclusiveNonblock) {
        Err(Errno::EWOULDBLOCK) => return Ok(()),
        locked => locked.context("lock the network namespace")?,
    }
    let request = link(self.bridge, 0);
    self.netlink.change(libc::RTM_DELLINK, 0, &request)?;
    Ok(())
}
