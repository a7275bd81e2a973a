//! The second table: each step, tried; and what comes next.

use std::path::Path;

use common::find_in_path;
use course::STEPS;
use nix::errno::Errno;

use crate::attempt::{Refusal, SCOPE, Way, attempt};
use crate::facts::Facts;
use crate::machine::{self, Sudo};
use crate::table::row;

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
        delegated: bool,
        root: bool,
    },
    No(String),
}

impl Steps {
    pub fn try_all(facts: &Facts) -> Self {
        let verdicts = (1..=STEPS.len()).map(|number| try_one(number, facts));
        Self {
            verdicts: verdicts.collect(),
            rootfs_is_there: facts.rootfs.found.is_ok(),
        }
    }

    pub fn all_can_run(&self) -> bool {
        (1..=STEPS.len()).all(|number| self.can_run(number))
    }

    fn can_run(&self, number: usize) -> bool {
        matches!(self.verdicts[number - 1], Verdict::Yes) && !self.lacks_rootfs(number)
    }

    fn lacks_rootfs(&self, number: usize) -> bool {
        number >= FIRST_WITH_ROOTFS && !self.rootfs_is_there
    }

    /// The numbers of the steps with such a verdict.
    fn which(&self, wanted: impl Fn(&Verdict) -> bool) -> Vec<usize> {
        let numbers = 1..=STEPS.len();
        numbers
            .filter(|number| wanted(&self.verdicts[number - 1]))
            .collect()
    }

    pub fn table(&self, facts: &Facts) -> String {
        let mut text = row("step", &["can run here".to_owned()]);
        for (index, name) in STEPS.iter().enumerate() {
            text += &row(name, &[self.describe(index + 1, facts)]);
        }
        text
    }

    fn describe(&self, number: usize, facts: &Facts) -> String {
        let lacks_rootfs = self.lacks_rootfs(number);
        let ways = match &self.verdicts[number - 1] {
            Verdict::Yes if lacks_rootfs => return "no: needs a rootfs".to_owned(),
            Verdict::Yes => return "yes".to_owned(),
            Verdict::No(why) => return format!("no: {why}"),
            Verdict::With {
                unshare,
                delegated,
                root,
            } => [
                unshare.then(|| "with unshare -r".to_owned()),
                delegated.then(|| "with systemd-run".to_owned()),
                root.then(|| with_root(&facts.sudo)),
            ],
        };
        let ways: Vec<String> = ways.into_iter().flatten().collect();
        let then = if lacks_rootfs {
            ", once there is a rootfs"
        } else {
            ""
        };
        format!("{}{then}", ways.join(" or "))
    }

    /// The commands that open the ways, and what to do next.
    pub fn advice(&self, facts: &Facts) -> String {
        let with = |wanted: fn(&Verdict) -> bool| self.which(wanted);
        let root = with(|verdict| matches!(verdict, Verdict::With { root: true, .. }));
        let unshare = with(|verdict| matches!(verdict, Verdict::With { unshare: true, .. }));
        let delegated = with(|verdict| {
            matches!(
                verdict,
                Verdict::With {
                    delegated: true,
                    ..
                }
            )
        });
        let mut text = String::new();
        if let Some(first) = root.first() {
            let outside = if facts.user.uid == 0 {
                " outside of this user namespace"
            } else {
                ""
            };
            let how = as_root(&facts.sudo, *first);
            text += &format!("{}, as root{outside}{how}\n", list(&root));
        }
        if !unshare.is_empty() {
            let how = with_runner("unshare -r");
            let steps = list(&unshare);
            text += &format!("{steps}, as root of a user namespace and of nothing else{how}\n");
        }
        if let Some(number) = delegated.first() {
            let name = STEPS[number - 1];
            text += &format!(
                "{}, so too, in a cgroup of the user's:\n  \
                 {SCOPE} cargo run -p {name} -- run bash\n\n",
                list(&delegated)
            );
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
    let root_folder = match facts.rootfs.found {
        Ok(()) => facts.rootfs.path.as_path(),
        // What else a step needs is to be known before there is one.
        Err(_) => Path::new("/"),
    };
    let Err(refusal) = attempt(Way::AsCalled, &what, root_folder) else {
        return Verdict::Yes;
    };
    let lacks_rights = refusal.is_of_permission() && !facts.user.is_admin;
    let unshare = lacks_rights && attempt(Way::Unshare, &what, root_folder).is_ok();
    let root = root_could(number, &refusal, facts);
    let delegated = number == 8
        && !unshare
        && could_be_delegated(facts)
        && attempt(Way::Delegated, &what, root_folder).is_ok();
    if unshare || delegated || root {
        Verdict::With {
            unshare,
            delegated,
            root,
        }
    } else {
        Verdict::No(why(number, &refusal, facts))
    }
}

/// Whether systemd can give us a cgroup: only those of version 2 can be delegated.
fn could_be_delegated(facts: &Facts) -> bool {
    facts.user.uid != 0 && !machine::first_has_pids() && find_in_path("systemd-run").is_some()
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
    } else if refusal.errno == Some(Errno::ENOSPC) && facts.lacks_room() {
        "there is no room for its namespaces: see namespaces"
    } else if number == 8 && facts.cgroup.is_err() {
        "needs a cgroup that counts processes: see pids"
    } else {
        line
    };
    why.to_owned()
}

fn with_root(sudo: &Sudo) -> String {
    match sudo.words() {
        Some(words) => format!("with {words}"),
        None => "as root".to_owned(),
    }
}

/// How root runs a step, whoever we are now.
fn as_root(sudo: &Sudo, number: usize) -> String {
    let name = STEPS[number - 1];
    match sudo.words() {
        Some(words) => with_runner(&words),
        None => format!(":\n  cargo build\n  su -c 'target/debug/{name} run bash'\n"),
    }
}

/// What lets cargo start a program through another: it is the same for all steps.
fn with_runner(runner: &str) -> String {
    format!(
        ":\n  # in .cargo/config.toml\n  \
         [target.'cfg(target_os = \"linux\")']\n  \
         runner = \"{runner}\"\n"
    )
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
