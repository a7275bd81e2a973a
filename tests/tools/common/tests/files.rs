//! What is written for others to read is whole, or as it was. This takes root.

use std::fs;
use std::thread;

use common::write_whole;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

#[test]
fn a_full_disk_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("make a temporary folder");
    // A thread, since with it the mount is gone.
    let test = thread::scope(|scope| {
        let test = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare the mount namespace");
            let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
            mount(none, "/", none, private, none).expect("make / private");
            let (size, flags) = (Some("size=64k"), MsFlags::empty());
            mount(Some("none"), folder.path(), Some("tmpfs"), flags, size).expect("mount a disk");
            let page = folder.path().join("page.md");
            write_whole(&page, "whole").expect("write a file");
            let error = write_whole(&page, &"too long ".repeat(10_000));
            error.expect_err("write more than there is room for");
            assert_eq!(fs::read_to_string(&page).expect("read it"), "whole");
            assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1);
        });
        test.join()
    });
    test.expect("no panic");
}
