/// Joins the cgroups, while the host's /sys is still within reach.
fn join_cgroups() -> Result<()> {
    let cgroups = env::var_os(CGROUPS).context("find out which cgroups to join")?;
    env::split_paths(&cgroups).try_for_each(|cgroup| cgroup::join(&cgroup))
}
