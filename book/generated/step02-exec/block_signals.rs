/// Keeps these signals pending until [`wait`] takes them. This comes before all else.
///
/// A program that we start inherits the blocked signals, so that between two
/// programs there is no moment in which one is lost.
pub fn block_signals() -> Result<()> {
    signals().thread_block().context("block signals")?;
    prepare(None).context("reset SIGCHLD")
}
