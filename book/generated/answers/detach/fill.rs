fn fill(&self, argv: &[OsString]) -> Result<File> {
    // An empty one is all that somebody has left who was killed here.
    fs::remove_dir(&self.folder).ok();
    fs::create_dir(&self.folder)?;
    let lock = File::create(self.folder.join(LOCK))?;
    fcntl(&lock, FcntlArg::F_SETLK(&write_lock()))?;
    self.open_log()?;
    // rename(2) happens at once or not at all. Whoever is killed before, or has a full
    // disk, leaves a folder without a command, which is nobody's.
    let new = self.folder.join("command.new");
    fs::write(&new, argv.join(OsStr::new(" ")).as_bytes())?;
    fs::rename(new, self.folder.join("command"))?;
    Ok(lock)
}
