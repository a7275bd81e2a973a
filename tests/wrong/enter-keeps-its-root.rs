//! Wrong: joins every namespace, and then executes the command. But the container's root
//! came from chroot, which is no namespace: the command sees the host's files.

mod right;

use anyhow::ensure;

fn main() {
    right::main(|args| {
        ensure!(args.len() > 1, "usage: PID COMMAND [ARG...]");
        right::join_namespaces(&args[0])?;
        right::execute(&args[1..])
    })
}
