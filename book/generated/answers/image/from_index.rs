fn from_index(files: &Files, index: &Value) -> Result<Self> {
    let arch = architecture();
    let fits = |descriptor: &&Value| match &descriptor["platform"] {
        Value::Null => true,
        platform => platform["architecture"] == *arch && platform["os"] == "linux",
    };
    let chosen = items(&index["manifests"])?.iter().find(fits);
    let chosen = chosen.with_context(|| format!("it has none for linux on {arch}"))?;
    let manifest = files.blob(chosen)?.json()?;
    if !manifest["manifests"].is_null() {
        return Self::from_index(files, &manifest);
    }
    let config = files.blob(&manifest["config"])?.json()?;
    let blobs = items(&manifest["layers"])?.iter();
    let blobs = blobs.map(|descriptor| files.blob(descriptor));
    Self::new(&config, blobs.collect::<Result<_>>()?)
}
