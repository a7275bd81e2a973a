/// Fetches a part of the image, if it is not there, from where an earlier attempt has ended.
fn fetch(registry: &mut Registry, layout: &Layout, digest: &str, size: u64) -> Result<()> {
    if layout.has(digest, size)? {
        return print(&format!("{digest} is there"));
    }
    let mut part = layout.part(digest)?;
    let mut attempts = 0;
    while part.length()? < size {
        let before = part.length()?;
        match fetch_rest(registry, digest, size, &mut part) {
            Ok(()) => {}
            Err(error) if error.is::<Cut>() => {
                // If nobody can read it, it goes on all the same.
                writeln!(io::stderr(), "{error:#}: going on from there").ok();
                thread::sleep(Duration::from_millis(200));
            }
            Err(error) => return Err(error),
        }
        attempts = if part.length()? > before {
            0
        } else {
            attempts + 1
        };
        ensure!(attempts < ATTEMPTS, "nothing comes any more: try later");
    }
    part.finish(digest)?;
    print(&format!("{digest} has {size} bytes"))
}
