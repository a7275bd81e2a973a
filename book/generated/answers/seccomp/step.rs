/// An instruction: what to do, and with which value.
fn step(code: u32, value: u32) -> libc::sock_filter {
    jump(code, value, 0, 0)
}
