/// Lets the processes have `bytes` of memory between them, and no swap: who needs more
/// is killed.
pub fn limit_memory(&mut self, bytes: u64) -> Result<()> {
    let cgroup = self.with_controller("memory")?;
    let bytes = bytes.to_string();
    let version_2 = cgroup.join("memory.max");
    if version_2.exists() {
        write(&version_2, &bytes)?;
        return write_if_there(&cgroup.join("memory.swap.max"), "0");
    }
    write(&cgroup.join("memory.limit_in_bytes"), &bytes)?;
    write(&cgroup.join("memory.swappiness"), "0")?;
    // The sum of memory and swap. It can never be less than the limit on memory
    // alone, and so it comes second.
    write_if_there(&cgroup.join("memory.memsw.limit_in_bytes"), &bytes)
}
