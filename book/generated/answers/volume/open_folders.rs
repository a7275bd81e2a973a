/// Opens the folders of the host, while its paths still lead there.
pub fn open_folders(volumes: &[Volume]) -> Result<Vec<OwnedFd>> {
    let hosts = volumes.iter().map(|volume| &volume.host);
    let open = |host: &PathBuf| {
        open(host, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .with_context(|| format!("open {} on the host", host.display()))
    };
    hosts.map(open).collect()
}
