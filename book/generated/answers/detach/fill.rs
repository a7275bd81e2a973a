fn fill(&self, argv: &[OsString]) -> Result<File> {
    fs::create_dir(&self.folder)?;
    let lock = File::create(self.folder.join("lock"))?;
    fcntl(&lock, FcntlArg::F_SETLK(&write_lock()))?;
    self.open_log()?;
    // rename(2) happens at once or not at all. Whoever is killed before, or has a full
    // disk, leaves a folder without a command, which is nobody's.
    let new = self.folder.join("command.new");
    fs::write(&new, argv.join(OsStr::new(" ")).as_bytes())?;
    fs::rename(new, self.folder.join("command"))?;
    Ok(lock)
}
