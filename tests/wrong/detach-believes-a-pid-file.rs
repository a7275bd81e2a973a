//! Wrong: whether a container runs is asked of a PID in a file. After SIGKILL the file is still
//! there, and the PID may be somebody else's.

mod right;

fn main() {
    right::detach(true)
}
