/// Fetches what is missing.
fn fetch_rest(registry: &mut Registry, digest: &str, size: u64, part: &mut Part) -> Result<()> {
    let mut from = part.length()?;
    let (start, body) = registry.blob(digest, from)?;
    if start == Start::Beginning {
        // It knows nothing of ranges.
        part.file.set_len(0).context("begin anew")?;
        from = 0;
    }
    let mut body = body.take(size - from);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match body.read(&mut buffer).context(Cut)? {
            0 => return Ok(()),
            count => part
                .file
                .write_all(&buffer[..count])
                .context("write to the layout")?,
        }
    }
}
