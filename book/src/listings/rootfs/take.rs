/// Copies programs into /usr/bin, and the libraries they need to where they look for them.
fn take(&mut self, programs: &[PathBuf]) -> Result<()> {
    for library in libraries(programs)? {
        let beside = library.with_file_name("libnss_files.so.2");
        // Until version 2.34 the C library opens this by itself, to read /etc/passwd.
        if library.ends_with("libc.so.6") && beside.exists() {
            self.copy(&beside, &beside)?;
        }
        self.copy(&library, &library)?;
    }
    for program in programs {
        let name = program.file_name().context("find the program's name")?;
        self.programs.push(name.to_string_lossy().into_owned());
        self.copy(program, &Path::new("/usr/bin").join(name))?;
    }
    Ok(())
}
