/// Refuses a call if one of its arguments, of which the lower half counts, passes a test.
fn refuse_if(number: libc::c_long, argument: u32, test: u32, value: u32) -> [libc::sock_filter; 5] {
    [
        jump(IS_EQUAL, number as u32, 0, 4),
        step(LOAD, ARGUMENTS + 8 * argument),
        jump(test, value, 0, 1),
        step(ANSWER, EPERM),
        step(LOAD, NUMBER),
    ]
}
