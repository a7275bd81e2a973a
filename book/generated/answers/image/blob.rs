/// The file that a descriptor names by its digest, which it has.
fn blob(&self, descriptor: &Value) -> Result<Blob> {
    let digest = text(&descriptor["digest"])?;
    let hex = digest.strip_prefix("sha256:");
    let hex = hex.with_context(|| format!("{digest} is no digest by SHA-256"))?;
    let blob = self.find(&format!("blobs/sha256/{hex}"));
    let blob = blob.context("a part of it is missing: get the image again")?;
    blob.expect_digest(digest)?;
    Ok(blob)
}
