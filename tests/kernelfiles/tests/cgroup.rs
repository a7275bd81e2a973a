//! A cgroup is made wherever this machine has room for one. This takes root.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use kernelfiles::cgroup::{self, Cgroup, Enabled};

#[test]
fn who_joins_is_in_it_and_it_goes_when_it_is_empty() {
    let name = cgroup::new_name();
    let made = Cgroup::make(&name, "pids").expect("make a cgroup");
    // It may be there already: in version 2 one cgroup has all controllers.
    let again = Cgroup::make(&name, "pids").expect("find it");
    let path = again.path.clone();
    assert_eq!(path, made.path);
    made.write("pids.max", "3").expect("limit processes");
    made.write("no-such-file", "3")
        .expect_err("no file of the kernel's");
    let parent = path.parent().expect("a cgroup above");
    assert_eq!(cgroup::enabled("pids", parent), Enabled::Yes);
    let mut cat = Command::new("cat");
    let inside = path.clone();
    #[expect(unsafe_code, reason = "a process can move only itself without a race")]
    // SAFETY: this process has no lock that writing a file would need.
    unsafe {
        cat.pre_exec(move || cgroup::join(&inside).map_err(std::io::Error::other));
    }
    let mut cat = cat.stdin(Stdio::piped()).spawn().expect("start cat");
    let hierarchy = cgroup::hierarchy(cat.id(), "pids").expect("find its hierarchy");
    assert_eq!(hierarchy.folder(), Some(path.clone()));
    assert_eq!(cgroup::words(&path, "cgroup.procs"), [cat.id().to_string()]);
    drop(cat.stdin.take());
    cat.wait().expect("wait for cat");
    drop(made);
    assert!(!path.exists());
    // To remove it twice is no error.
    drop(again);
}
