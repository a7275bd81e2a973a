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

#[derive(PartialEq)]
enum Way {
    Unshare,
    Delegated,
    Root,
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
        let verdicts = (1..).zip(&self.verdicts);
        let wanted = verdicts.filter(|(_, verdict)| wanted(verdict));
        wanted.map(|(number, _)| number).collect()
    }

    pub fn table(&self) -> String {
        let mut text = row("step", "can run here");
        for ((number, verdict), name) in (1..).zip(&self.verdicts).zip(STEPS) {
            text += &row(name, &self.describe(number, verdict));
        }
        text
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
        let with = |way| {
            self.which(|verdict| matches!(verdict, Verdict::With(ways) if ways.contains(&way)))
        };
        let mut text = String::new();
        let root = with(Way::Root);
        if let Some(first) = root.first() {
            let outside = match self.facts.user.uid {
                0 => " outside of this user namespace",
                _ => "",
            };
            let how = match &self.facts.sudo {
                Some(words) => with_runner(words),
                None => {
                    let name = STEPS[first - 1];
                    format!(":\n  cargo build\n  su -c 'target/debug/{name} run bash'\n")
                }
            };
            text += &format!("{}, as root{outside}{how}\n", list(&root));
        }
        let unshare = with(Way::Unshare);
        if !unshare.is_empty() {
            let (steps, how) = (list(&unshare), with_runner(UNSHARE));
            text += &format!("{steps}, as root of a user namespace and of nothing else{how}\n");
        }
        let delegated = with(Way::Delegated);
        if let Some(number) = delegated.first() {
            let (steps, name) = (list(&delegated), STEPS[number - 1]);
            text += &format!(
                "{steps}, so too, in a cgroup of the user's:\n  \
                 {SCOPE} cargo run -p {name} -- run bash\n\n"
            );
        }
        text + &self.next()
    }

    fn next(&self) -> String {
        let first = "`cargo run -p step01-run -- run echo hello`";
        let rootfs = &self.facts.rootfs;
        let is_refused = !self
            .which(|verdict| matches!(verdict, Verdict::No(_)))
            .is_empty();
        let with = self.which(|verdict| matches!(verdict, Verdict::With(_)));
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
    let lacks_rights = refusal.is_of_permission() && !facts.user.is_admin;
    let unshare = lacks_rights && attempt(UNSHARE).is_ok();
    let delegated = number == 8
        && !unshare
        && could_be_delegated(facts)
        && attempt(&format!("{SCOPE} {UNSHARE}")).is_ok();
    let ways = [
        unshare.then_some(Way::Unshare),
        delegated.then_some(Way::Delegated),
        root_could(number, &refusal, facts).then_some(Way::Root),
    ];
    let ways: Vec<Way> = ways.into_iter().flatten().collect();
    if ways.is_empty() {
        Verdict::No(why(number, &refusal, facts))
    } else {
        Verdict::With(ways)
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
