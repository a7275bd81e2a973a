/// Writes all of `text` in one write(2): the kernel takes no mapping in two parts.
fn write_once(path: &str, text: &str) -> Result<()> {
    let what = || format!("write {text} to {path}");
    // Where a user may not read the program, a process that executes it is not theirs in /proc.
    let file = File::options().write(true).open(path).with_context(|| {
        format!("open {path} (takes a /proc, and a program that you may read: mode 755)")
    })?;
    write(&file, text.as_bytes()).with_context(what)?;
    Ok(())
}
