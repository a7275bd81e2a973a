//! Who the command is, if not root.
//!
//! Read: credentials(7), user_namespaces(7).

use std::ffi::OsStr;
use std::fs;

use anyhow::{Context, Result, bail};

/// A user and a group, by their numbers.
pub type User = (u32, u32);

/// Splits UID:GID. Without a GID the group has the user's number, as on most systems.
pub fn read_user(text: &OsStr) -> Result<User> {
    let user = text.to_str().unwrap_or_default();
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    match (uid.parse(), gid.parse()) {
        // For setuid(2) that is -1, and means nobody.
        (Ok(u32::MAX), _) | (_, Ok(u32::MAX)) => bail!("there is no user or group {}", u32::MAX),
        (Ok(uid), Ok(gid)) => Ok((uid, gid)),
        _ => bail!("expected UID or UID:GID, in numbers, after --user"),
    }
}

/// Fails unless the command can become this user. setuid(2) would tell that, too: in the
/// command's process, where it would seem to be the command's fault.
pub fn expect_user((uid, gid): User) -> Result<()> {
    let read = |name| {
        let path = format!("/proc/self/{name}");
        fs::read_to_string(&path).with_context(|| format!("read {path}"))
    };
    // In each line the first ID inside, the first one outside, and how many there are.
    let has =
        |map: String, id: u32| {
            map.lines().any(|line| {
            let numbers = line.split_whitespace().map(|word| word.parse().unwrap_or(0));
            let numbers: Vec<u64> = numbers.collect();
            matches!(numbers[..], [first, _, count] if (first..first + count).contains(&id.into()))
        })
        };
    let is_known = has(read("uid_map")?, uid) && has(read("gid_map")?, gid);
    if !is_known || read("setgroups")? == "deny\n" {
        bail!("be user {uid} and group {gid}: this user namespace has no other than its own");
    }
    Ok(())
}
