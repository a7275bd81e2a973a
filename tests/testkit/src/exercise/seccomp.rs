//! After step 8: system calls that are refused.

use anyhow::Result;

use crate::check::{Check, checks};
use crate::program::Program;

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    refuses_mount,
    refuses_umount2,
    refuses_unshare,
    refuses_setns,
    refuses_them_to_the_commands_children,
    has_a_filter_and_no_new_privileges,
    lets_all_else_work,
];

fn refuses_mount(program: &Program) -> Result<()> {
    is_refused(program, "mount -t tmpfs none /tmp")
}

fn refuses_umount2(program: &Program) -> Result<()> {
    is_refused(program, "umount /proc")
}

fn refuses_unshare(program: &Program) -> Result<()> {
    is_refused(program, "unshare --uts true")
}

fn refuses_setns(program: &Program) -> Result<()> {
    is_refused(program, "nsenter --uts=/proc/self/ns/uts true")
}

fn refuses_them_to_the_commands_children(program: &Program) -> Result<()> {
    is_refused(program, "sh -c 'sh -c \"unshare --uts true\" & wait $!'")
}

/// Fails unless the command gets an error: it is not killed, and does not think that all went
/// well. If there is no filter, the command changes nothing but the container.
fn is_refused(program: &Program, command: &str) -> Result<()> {
    let script = format!("{command}; code=$?; test $code -gt 0 -a $code -lt 126 && echo refused");
    let ended = program.run_shell(&script).end()?;
    ended.prints("refused")?;
    // mount(8) and umount(8) say EPERM in their own words.
    let words = ["Operation not permitted", "permission denied", "superuser"];
    let holds = words.iter().any(|words| ended.stderr.contains(words));
    ended.expected("an error message that tells of EPERM", holds)?;
    Ok(())
}

fn has_a_filter_and_no_new_privileges(program: &Program) -> Result<()> {
    let script = "while read -r name value; do
            case $name in NoNewPrivs: | Seccomp:) echo \"$name $value\" ;; esac
        done </proc/self/status";
    let ended = program.run_shell(script).end()?;
    ended.exits(0)?.prints("NoNewPrivs: 1\nSeccomp: 2")?;
    Ok(())
}

fn lets_all_else_work(program: &Program) -> Result<()> {
    let script = "set -e
        ls -l / | cat >/dev/null
        mkdir -p /tmp/seccomp && touch /tmp/seccomp/file && rm -r /tmp/seccomp
        dd if=/dev/zero of=/dev/null bs=1M count=1 2>/dev/null
        sleep 1000 & kill $! && ! wait $!
        (exit 3) || test $? = 3
        test $(id -u) = 0
        test $(readlink /proc/self/exe) = $(readlink -f /usr/bin/readlink)
        ps -e >/dev/null
        echo \"all of it\"";
    let ended = program.run_shell(script).end()?;
    ended.exits(0)?.prints("all of it")?;
    Ok(())
}
