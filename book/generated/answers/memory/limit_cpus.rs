/// Lets the processes run for so many processors' time between them.
pub fn limit_cpus(&mut self, cpus: f64) -> Result<()> {
    let cgroup = self.with_controller("cpu")?;
    let quota = (cpus * f64::from(PERIOD)) as u64;
    let version_2 = cgroup.join("cpu.max");
    if version_2.exists() {
        return write(&version_2, &format!("{quota} {PERIOD}"));
    }
    write(&cgroup.join("cpu.cfs_period_us"), &PERIOD.to_string())?;
    write(&cgroup.join("cpu.cfs_quota_us"), &quota.to_string())
}
