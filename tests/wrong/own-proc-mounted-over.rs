//! Wrong: the new /proc lies over the old one, which is still there beneath. `ps` looks
//! right, and so nobody asks what `umount /proc` brings to light.

mod right;

fn main() {
    right::container(|argv| {
        right::make_mounts_private()?;
        // Missing: umount2("/proc", MNT_DETACH).
        right::mount_proc()?;
        right::execute(argv)
    })
}
