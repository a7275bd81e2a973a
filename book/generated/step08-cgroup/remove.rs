/// Removes the directory. The kernel may call it busy for a moment after the
/// last process has ended, so this tries again for a second.
fn remove(&self) -> io::Result<()> {
    for _ in 0..100 {
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
    fs::remove_dir(&self.path)
}
