/// A path without a comma or a colon, which would end it in the options of a mount.
fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
