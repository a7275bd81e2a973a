/// What `linux/audit.h` calls the processor.
fn architecture() -> Result<u32> {
    match env::consts::ARCH {
        "x86" => Ok(0x4000_0003),
        "x86_64" => Ok(0xc000_003e),
        "aarch64" => Ok(0xc000_00b7),
        other => bail!("no filter for {other} has been written yet"),
    }
}
