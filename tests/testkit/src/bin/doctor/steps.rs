//! The second table: each step, tried; and what comes next.

use std::path::Path;

use crate::attempt::{Refusal, Way, attempt};
use crate::facts::Facts;
use crate::machine;
use crate::table::row;

const NAMES: [&str; 8] = [
    "step01-run",
    "step02-exec",
    "step03-uts",
    "step04-child",
    "step05-pid",
    "step06-chroot",
    "step07-proc",
    "step08-cgroup",
];

/// The steps from this one on run in a root filesystem.
const FIRST_WITH_ROOTFS: usize = 6;

/// What came of trying each step.
pub struct Steps {
    verdicts: Vec<Verdict>,
    rootfs_is_there: bool,
}

enum Verdict {
    Yes,
    /// Not as called, but in at least one of these ways.
    With {
        unshare: bool,
        root: bool,
    },
    No(String),
}

impl Steps {
    pub fn try_all(facts: &Facts) -> Self {
        let verdicts = (1..=NAMES.len()).map(|number| try_one(number, facts));
        Self {
            verdicts: verdicts.collect(),
            rootfs_is_there: facts.rootfs.found.is_ok(),
        }
    }

    pub fn all_can_run(&self) -> bool {
        (1..=NAMES.len()).all(|number| self.can_run(number))
    }

    fn can_run(&self, number: usize) -> bool {
        matches!(self.verdicts[number - 1], Verdict::Yes) && !self.lacks_rootfs(number)
    }

    fn lacks_rootfs(&self, number: usize) -> bool {
        number >= FIRST_WITH_ROOTFS && !self.rootfs_is_there
    }

    /// The numbers of the steps with such a verdict.
    fn which(&self, wanted: impl Fn(&Verdict) -> bool) -> Vec<usize> {
        let numbers = 1..=NAMES.len();
        numbers
            .filter(|number| wanted(&self.verdicts[number - 1]))
            .collect()
    }

    pub fn table(&self) -> String {
        let mut text = row("step", &["can run here".to_owned()]);
        for (index, name) in NAMES.iter().enumerate() {
            text += &row(name, &[self.describe(index + 1)]);
        }
        text
    }

    fn describe(&self, number: usize) -> String {
        let lacks_rootfs = self.lacks_rootfs(number);
        let ways = match &self.verdicts[number - 1] {
            Verdict::Yes if lacks_rootfs => return "no: needs a rootfs".to_owned(),
            Verdict::Yes => return "yes".to_owned(),
            Verdict::No(why) => return format!("no: {why}"),
            Verdict::With { unshare, root } => {
                [unshare.then_some("with unshare -r"), root.then(with_root)]
            }
        };
        let ways: Vec<&str> = ways.into_iter().flatten().collect();
        let then = if lacks_rootfs {
            ", once there is a rootfs"
        } else {
            ""
        };
        format!("{}{then}", ways.join(" or "))
    }

    /// The commands that open the ways, and what to do next.
    pub fn advice(&self, facts: &Facts) -> String {
        let with = |wanted| {
            self.which(
                |verdict| matches!(verdict, Verdict::With { unshare, .. } if *unshare == wanted),
            )
        };
        let (unshare, root) = (with(true), with(false));
        let mut text = String::new();
        if let Some(first) = unshare.first() {
            let steps = list(&unshare);
            let how = with_runner("unshare -r", *first);
            text += &format!("{steps}, as root of a user namespace and of nothing else:\n{how}\n");
        }
        if let Some(first) = root.first() {
            let outside = if facts.user.uid == 0 {
                " outside of this user namespace"
            } else {
                ""
            };
            text += &format!("{}, as root{outside}:\n{}\n", list(&root), as_root(*first));
        }
        text + &self.next(facts)
    }

    fn next(&self, facts: &Facts) -> String {
        let first = "`cargo run -p step01-run -- run echo hello`";
        let refused = self.which(|verdict| matches!(verdict, Verdict::No(_)));
        let with = self.which(|verdict| matches!(verdict, Verdict::With { .. }));
        let line = match with.first() {
            _ if refused.is_empty() && facts.rootfs.is_missing() => {
                format!("`{}`, then this again.", facts.rootfs.command())
            }
            _ if !refused.is_empty() || !self.rootfs_is_there => {
                "do what the first table says, then this again.".to_owned()
            }
            Some(number) => format!("{first}; from step {number} on, as above."),
            None => format!("all eight can run here. {first}"),
        };
        format!("Next: {line}\n")
    }
}

/// Tries a step as it is, and in the ways that could help if that is refused.
fn try_one(number: usize, facts: &Facts) -> Verdict {
    if number == 1 {
        // It prints a line, as this program does.
        return Verdict::Yes;
    }
    let word = number.to_string();
    let what = ["step", &word];
    let root = match facts.rootfs.found {
        Ok(()) => facts.rootfs.path.as_path(),
        // What else a step needs is to be known before there is one.
        Err(_) => Path::new("/"),
    };
    let Err(refusal) = attempt(Way::AsCalled, &what, root) else {
        return Verdict::Yes;
    };
    let lacks_rights = refusal.is_of_permission() && !facts.user.is_admin;
    let unshare = lacks_rights && attempt(Way::Unshare, &what, root).is_ok();
    let root = root_could(number, &refusal, facts);
    if unshare || root {
        Verdict::With { unshare, root }
    } else {
        Verdict::No(why(number, &refusal, facts))
    }
}

/// Whether root, which we are not, may do what we may not.
fn root_could(number: usize, refusal: &Refusal, facts: &Facts) -> bool {
    let user = &facts.user;
    match user.uid {
        // Root of a user namespace owns no cgroup, as a rule, and may mount no /proc where
        // a container engine has covered parts of the one that is there.
        0 if user.is_admin && !user.is_root() => {
            refusal.is_of_permission() || number == 8 && facts.cgroup.is_err()
        }
        0 => false,
        _ => user.can_be_admin && !user.is_admin && refusal.is_of_permission(),
    }
}

fn why(number: usize, refusal: &Refusal, facts: &Facts) -> String {
    let line = refusal.message.lines().next().unwrap_or_default();
    let why = if number >= 4 && !machine::has_proc() {
        "needs /proc"
    } else if refusal.is_of_permission() && !facts.user.is_admin {
        "needs CAP_SYS_ADMIN: see user"
    } else if number == 8 && facts.cgroup.is_err() {
        "needs a cgroup that counts processes: see pids"
    } else {
        line
    };
    why.to_owned()
}

fn with_root() -> &'static str {
    match machine::find_program("sudo") {
        Some(_) => "with sudo -E",
        None => "as root",
    }
}

/// The commands by which root runs a step, whoever we are now.
fn as_root(number: usize) -> String {
    if machine::find_program("sudo").is_some() {
        return with_runner("sudo -E", number);
    }
    let name = NAMES[number - 1];
    format!("  cargo build\n  su -c 'target/debug/{name} run bash'\n")
}

/// The commands by which cargo starts a step through another program.
fn with_runner(runner: &str, number: usize) -> String {
    let name = NAMES[number - 1];
    let variable = runner_variable();
    format!("  export {variable}='{runner}'\n  cargo run -p {name} -- run bash\n")
}

/// The variable in which cargo looks for a runner has the compiler's name for this machine
/// in it, such as `x86_64-unknown-linux-gnu`.
fn runner_variable() -> String {
    let library = if cfg!(target_env = "musl") {
        "MUSL"
    } else {
        "GNU"
    };
    let machine = match std::env::consts::ARCH {
        known @ ("x86_64" | "aarch64") => known.to_uppercase(),
        // `rustc -vV` tells it, in the line `host`.
        _ => return "CARGO_TARGET_<TRIPLE>_RUNNER".to_owned(),
    };
    format!("CARGO_TARGET_{machine}_UNKNOWN_LINUX_{library}_RUNNER")
}

/// `Steps 3 to 7` for 3, 4, 5, 6, 7.
fn list(numbers: &[usize]) -> String {
    let names: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match numbers {
        [one] => format!("Step {one}"),
        [one, other] => format!("Steps {one} and {other}"),
        [first, .., last] if last - first == numbers.len() - 1 => {
            format!("Steps {first} to {last}")
        }
        _ => format!("Steps {}", names.join(", ")),
    }
}
