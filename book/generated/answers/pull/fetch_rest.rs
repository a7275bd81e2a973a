/// Fetches what is missing from byte `from` on. The inner result is that of the connection,
/// which may be better the next time.
fn fetch_rest(
    registry: &mut Registry,
    digest: &str,
    size: u64,
    file: &mut File,
    from: u64,
) -> Result<Result<()>> {
    let (start, body) = match registry.blob(digest, from)? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if start == Start::Beginning {
        // It knows nothing of ranges.
        file.set_len(0).context("begin anew")?;
    }
    let missing = if start == Start::Beginning {
        size
    } else {
        size - from
    };
    let mut body = body.take(missing);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => file
                .write_all(&buffer[..count])
                .context("write to the layout")?,
            Err(error) => return Ok(Err(error).context("read from the registry")),
        }
    }
    let length = file.metadata().context("look at a part")?.len();
    if length < size {
        return Ok(Err(anyhow::anyhow!(
            "the registry has sent {length} bytes of {size}"
        )));
    }
    ensure!(
        length == size,
        "there are more bytes than {size}: is another pull at work?"
    );
    Ok(Ok(()))
}
