//! The second table: each step, tried; and what comes next.

use std::path::Path;

use common::find_in_path;
use course::STEPS;
use nix::errno::Errno;

use crate::attempt::{AS_CALLED, Refusal, SCOPE, UNSHARE, attempt};
use crate::facts::Facts;
use crate::machine;
use crate::table::row;

/// The steps from this one on run in a root filesystem.
const FIRST_WITH_ROOTFS: usize = 6;

/// What came of trying each step.
pub struct Steps<'a> {
    facts: &'a Facts,
    verdicts: Vec<Verdict>,
}

enum Verdict {
    Yes,
    /// Not as called, but in each of these ways.
    With(Vec<Way>),
    No(String),
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Root,
    Unshare,
    Delegated,
}

impl<'a> Steps<'a> {
    pub fn try_all(facts: &'a Facts) -> Self {
        let verdicts = (1..=STEPS.len()).map(|number| try_one(number, facts));
        Self {
            verdicts: verdicts.collect(),
            facts,
        }
    }

    pub fn all_can_run(&self) -> bool {
        let can_run = |verdict| matches!(verdict, &Verdict::Yes);
        self.facts.rootfs.found.is_ok() && self.verdicts.iter().all(can_run)
    }

    /// The numbers of the steps with such a verdict.
    fn which(&self, wanted: impl Fn(&Verdict) -> bool) -> Vec<usize> {
        let numbers = 1..=self.verdicts.len();
        numbers
            .filter(|number| wanted(&self.verdicts[number - 1]))
            .collect()
    }

    pub fn table(&self) -> String {
        let rows = (1..).zip(STEPS).zip(&self.verdicts);
        let rows = rows.map(|((number, name), verdict)| row(name, &self.describe(number, verdict)));
        row("step", "can run here") + &rows.collect::<String>()
    }

    fn describe(&self, number: usize, verdict: &Verdict) -> String {
        let lacks_rootfs = number >= FIRST_WITH_ROOTFS && self.facts.rootfs.found.is_err();
        let ways = match verdict {
            Verdict::Yes if lacks_rootfs => return "no: needs a rootfs".to_owned(),
            Verdict::Yes => return "yes".to_owned(),
            Verdict::No(why) => return format!("no: {why}"),
            Verdict::With(ways) => ways.iter().map(|way| match (way, &self.facts.sudo) {
                (Way::Unshare, _) => format!("with {UNSHARE}"),
                (Way::Delegated, _) => "with systemd-run".to_owned(),
                (Way::Root, Some(words)) => format!("with {words}"),
                (Way::Root, None) => "as root".to_owned(),
            }),
        };
        let then = match lacks_rootfs {
            true => ", once there is a rootfs",
            false => "",
        };
        ways.collect::<Vec<_>>().join(" or ") + then
    }

    /// The commands that open the ways, and what to do next.
    pub fn advice(&self) -> String {
        let ways = [Way::Root, Way::Unshare, Way::Delegated];
        ways.map(|way| self.commands(way)).concat() + &self.next()
    }

    fn commands(&self, way: Way) -> String {
        let steps =
            self.which(|verdict| matches!(verdict, Verdict::With(ways) if ways.contains(&way)));
        let Some(first) = steps.first() else {
            return String::new();
        };
        let (steps, name) = (list(&steps), STEPS[first - 1]);
        let (who, how) = match (way, &self.facts.sudo) {
            (Way::Root, sudo) => {
                let who = match self.facts.user.uid {
                    0 => "as root outside of this user namespace",
                    _ => "as root",
                };
                let by_su = || format!("cargo build\n  su -c 'target/debug/{name} run bash'");
                (who, sudo.as_deref().map_or_else(by_su, runner))
            }
            (Way::Unshare, _) => (
                "as root of a user namespace and of nothing else",
                runner(UNSHARE),
            ),
            (Way::Delegated, _) => (
                "so too, in a cgroup of the user's",
                format!("{SCOPE} cargo run -p {name} -- run bash"),
            ),
        };
        format!("{steps}, {who}:\n  {how}\n\n")
    }

    fn next(&self) -> String {
        let first = "`cargo run -p step01-run -- run echo hello`";
        let rootfs = &self.facts.rootfs;
        let is_refused = !self.which(|it| matches!(it, Verdict::No(_))).is_empty();
        let with = self.which(|it| matches!(it, Verdict::With(_)));
        let line = match with.first() {
            _ if !is_refused && rootfs.is_missing() => {
                format!("`{}`, then this again.", rootfs.command())
            }
            _ if is_refused || rootfs.found.is_err() => {
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
    let root_folder = match facts.rootfs.found {
        Ok(()) => facts.rootfs.path.as_path(),
        // What else a step needs is to be known before there is one.
        Err(_) => Path::new("/"),
    };
    let attempt = |prefix: &str| attempt(prefix, &["step", &number.to_string()], root_folder);
    let Err(refusal) = attempt(AS_CALLED) else {
        return Verdict::Yes;
    };
    let mut ways = Vec::new();
    let lacks_rights = refusal.is_of_permission() && !facts.user.is_admin;
    if lacks_rights && attempt(UNSHARE).is_ok() {
        ways.push(Way::Unshare);
    } else if number == 8
        && could_be_delegated(facts)
        && attempt(&format!("{SCOPE} {UNSHARE}")).is_ok()
    {
        ways.push(Way::Delegated);
    }
    if root_could(number, &refusal, facts) {
        ways.push(Way::Root);
    }
    match ways.is_empty() {
        true => Verdict::No(why(number, &refusal, facts)),
        false => Verdict::With(ways),
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

/// What lets cargo start a program through another: it is the same for all steps.
fn runner(words: &str) -> String {
    format!(
        "# in .cargo/config.toml\n  \
         [target.'cfg(target_os = \"linux\")']\n  \
         runner = \"{words}\""
    )
}

/// `Steps 3 to 7` for 3, 4, 5, 6, 7.
fn list(numbers: &[usize]) -> String {
    match numbers {
        [one] => format!("Step {one}"),
        [one, other] => format!("Steps {one} and {other}"),
        [first, .., last] if last - first == numbers.len() - 1 => {
            format!("Steps {first} to {last}")
        }
        _ => {
            let names: Vec<String> = numbers.iter().map(usize::to_string).collect();
            format!("Steps {}", names.join(", "))
        }
    }
}
