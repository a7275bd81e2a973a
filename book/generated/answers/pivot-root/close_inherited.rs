/// Closes what we have inherited beside standard input, output and error. A folder of the
/// host would be a way out: for the command, and for all who look into /proc/1/fd.
///
/// Real runtimes call close_range(2), which is there from Linux 5.9 on.
pub fn close_inherited() -> Result<()> {
    let what = "list our descriptors in /proc/self/fd";
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").context(what)? {
        let name = entry.context(what)?.file_name();
        numbers.push(name.to_string_lossy().parse::<RawFd>().context(what)?);
    }
    for number in numbers {
        if number > 2 {
            match close(number) {
                // This was the list itself.
                Err(Errno::EBADF) => {}
                result => result.with_context(|| format!("close descriptor {number}"))?,
            }
        } else if Path::new(&format!("/proc/self/fd/{number}")).is_dir() {
            bail!("descriptor {number} is a folder of the host, and so a way out");
        }
    }
    Ok(())
}
