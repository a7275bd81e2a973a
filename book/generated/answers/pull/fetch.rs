/// Fetches a part of the image, if it is not there, from where an earlier attempt has ended.
fn fetch(registry: &mut Registry, layout: &Layout, digest: &str, size: u64) -> Result<()> {
    if layout.has(digest, size)? {
        return print(&format!("{digest} is there"));
    }
    let mut part = layout.part(digest)?;
    let mut attempts = 0;
    while part.length()? < size {
        let before = part.length()?;
        let result = fetch_rest(registry, digest, size, &mut part.file, before)?;
        let Err(error) = result else { continue };
        attempts = if part.length()? > before {
            0
        } else {
            attempts + 1
        };
        if attempts == ATTEMPTS {
            return Err(error).context("the connection was cut again and again: try later");
        }
        writeln!(
            io::stderr(),
            "{error:#}: going on from byte {}",
            part.length()?
        )
        .ok();
        thread::sleep(Duration::from_millis(200));
    }
    part.finish(digest)?;
    print(&format!("{digest} has {size} bytes"))
}
