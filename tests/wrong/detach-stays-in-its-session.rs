//! Wrong: what stays is in the session of the terminal, and ends with that, at its SIGHUP.

mod right;

fn main() {
    right::detach(false)
}
