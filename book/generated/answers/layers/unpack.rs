/// Makes a folder of a layer. It gets its name when it is whole.
fn unpack(archive: &Path, folder: &Path) -> Result<ExitCode> {
    // Without a `/` at its end.
    let folder: PathBuf = folder.components().collect();
    let mut part = folder.clone().into_os_string();
    part.push(".part");
    let name = folder.display();
    if folder.exists() {
        bail!("{name} is there already: delete it, or name another folder");
    }
    let layer = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
    // Root alone may enter: a layer may have setuid programs in it, for every user to start.
    let made = DirBuilder::new().mode(0o700).create(&part);
    made.with_context(|| format!("make {name}.part (if it is left from before, delete it)"))?;
    let mut fill = Command::new("/proc/self/exe");
    fill.arg("fill").arg(&part).env(MARK, "yes").stdin(layer);
    match command::execute(&mut fill) {
        Ok(ExitCode::SUCCESS) => fs::rename(&part, &folder)
            .with_context(|| format!("rename {name}.part to {name}"))
            .map(|()| ExitCode::SUCCESS),
        failed => {
            fs::remove_dir_all(&part).with_context(|| format!("delete {name}.part"))?;
            failed
        }
    }
}
