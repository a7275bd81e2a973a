/// Writes all of `text` in one write(2): the kernel takes no mapping in two parts.
fn write_once(path: &str, text: &str) -> Result<()> {
    let what = || format!("write {text} to {path}");
    let file = File::options().write(true).open(path).with_context(what)?;
    write(&file, text.as_bytes()).with_context(what)?;
    Ok(())
}
