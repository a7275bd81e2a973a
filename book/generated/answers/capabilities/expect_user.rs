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
