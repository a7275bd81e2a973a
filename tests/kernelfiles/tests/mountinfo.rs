//! The list of mounts is read as the kernel writes it, whatever is in a path. This takes root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use kernelfiles::mountinfo;

#[test]
fn any_path_is_read_as_it_is() {
    let folder = tempfile::tempdir().expect("make a temporary folder");
    let script =
        "mkdir \"$1\" && mount -t tmpfs -o nosuid 'a source' \"$1\" && cat /proc/self/mountinfo";
    for name in [
        &b"c dir"[..],
        b"tab\there",
        b"line\nline",
        b"back\\slash",
        b"back\\040slash",
        b"a - b",
        b"# \\",
        b"\xff\xfe",
        b"\\134\\0",
    ] {
        let path = folder.path().join(OsStr::from_bytes(name));
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(&path)
            .output()
            .expect("execute unshare");
        assert!(output.status.success());
        let mounts = mountinfo::parse(&output.stdout);
        let found = mounts.iter().find(|mount| mount.point == path);
        let found = found.unwrap_or_else(|| panic!("no {} in {mounts:#?}", path.display()));
        assert_eq!(
            (found.kind.as_str(), found.root.as_path()),
            ("tmpfs", Path::new("/"))
        );
        assert!(found.is("nosuid") && !found.is("nodev"), "{found:?}");
        let lines = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        assert_eq!(mounts.len(), lines.count(), "each line is a mount");
    }
}

#[test]
fn tags_stand_between_options_and_kind() {
    let text = b"36 31 0:33 / /a rw shared:1 master:2 - tmpfs  rw\nno mount\n\
        37 31 0:34 /b /c ro,nodev - cgroup cgroup rw,cpu,pids\n";
    let [first, second] = &mountinfo::parse(text)[..] else {
        panic!("two mounts");
    };
    assert_eq!(first.tags, ["shared:1", "master:2"]);
    assert!(second.has_first_pids() && second.tags.is_empty() && second.is("ro"));
}
