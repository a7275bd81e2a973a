/// Copies a program into /usr/bin, and what it needs to where it looks for that.
fn take(&mut self, program: &Path) -> Result<()> {
    self.take_needs(program)?;
    let name = program.file_name().context("find the program's name")?;
    self.copy(program, &Path::new("/usr/bin").join(name))?;
    self.programs.push(name.to_string_lossy().into_owned());
    Ok(())
}
