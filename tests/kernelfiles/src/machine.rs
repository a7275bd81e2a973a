//! What /proc says of the whole machine.

use std::fs;

use anyhow::{Context, Result};

/// A setting, by the name that sysctl(8) knows it by: `kernel.osrelease`.
///
/// # Errors
///
/// If there is no such setting, or no /proc.
pub fn setting(name: &str) -> Result<String> {
    let text = read(&format!("/proc/sys/{}", name.replace('.', "/")))?;
    Ok(text.trim().to_owned())
}

/// All of its memory, in bytes: proc_meminfo(5).
///
/// # Errors
///
/// If there is no /proc.
pub fn memory() -> Result<u64> {
    let path = "/proc/meminfo";
    let text = read(path)?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|total| total.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.with_context(|| format!("find MemTotal in {path}"))?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}

/// How many threads run or wait for a processor: proc_loadavg(5),
/// `0.20 0.18 0.12 RUNNING/ALL LAST`.
///
/// # Errors
///
/// If there is no /proc.
pub fn running() -> Result<u32> {
    let path = "/proc/loadavg";
    let text = read(path)?;
    let running = text.split([' ', '/']).nth(3);
    let running = running.with_context(|| format!("find who runs in {path}"))?;
    running.parse().with_context(|| format!("read {running}"))
}

fn read(path: &str) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read {path}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
