/// The new UTS namespace began as a copy of the host's. The kernel has room for a name of
/// 64 bytes, and answers EINVAL to a longer one.
fn set_hostname() -> Result<()> {
    let name = env::var_os(HOSTNAME).context("find out which hostname to set")?;
    sethostname(&name).with_context(|| format!("set the hostname {}", name.to_string_lossy()))
}
