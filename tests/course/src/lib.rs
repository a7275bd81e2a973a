//! The course, as data: the eight steps, and the exercises at the end of their chapters.
//! Suites, tools, and the book's checks take what they need from here.

use std::path::{Path, PathBuf};

/// The steps: each is the name of a package, of its program, and of a chapter.
pub const STEPS: [&str; 8] = [
    "step01-run",
    "step02-exec",
    "step03-uts",
    "step04-child",
    "step05-pid",
    "step06-chroot",
    "step07-proc",
    "step08-cgroup",
];

/// All exercises, in the order of the chapters. The name is also that of the program in its
/// step's `answers`, of the page in `book/src/exercises`, and of the checks in the testkit.
pub const EXERCISES: &[Exercise] = &[
    more(2, "fork-exec", "★★", 40).part(&["--verbose"]),
    more(2, "clean-env", "★", 20)
        .part(&[])
        .not_asked(&["leaves_the_environment_to_the_caller"]),
    core(3, "net-ipc", 20).part(&[]),
    // The hostname is `container` without it, and this is a name without a value.
    core(4, "named", 15).part(&["--name="]),
    // A root filesystem hides the folder in which this exercise and `rootless` leave files.
    more(4, "sync-pipe", "★★", 45).part(&["--volume", ".:/tmp", "--workdir", "/tmp"]),
    core(5, "init", 25).part(&[]),
    more(5, "clone", "★★★", 50).part(&["--verbose"]),
    more(5, "rootless", "★★", 30)
        .part(&["--rootless", "--volume", ".:/tmp", "--workdir", "/tmp"])
        // It does without.
        .not_asked(&["does_nothing_without_root"]),
    more(5, "enter", "★★", 30).is_no_container(),
    more(5, "veth", "★★★", 60)
        // The host's end is root's, and not that of the user namespace's root.
        .not_asked(&["works_without_root_in_a_user_namespace"]),
    core(6, "escape", 15).is_no_container(),
    core(6, "pivot-root", 30).part(&[]),
    more(6, "overlay", "★★", 40)
        .part(&["--overlay"])
        // An overlay can be mounted in a user namespace only from Linux 5.11 on.
        .not_asked(&["works_without_root_in_a_user_namespace"]),
    more(6, "layers", "★★★", 60)
        .takes_crates()
        .not_asked(&["works_without_root_in_a_user_namespace"]),
    core(7, "volume", 20).part(&[]),
    more(7, "dev", "★★", 40).part(&[]),
    more(7, "own-proc", "★", 20)
        .part(&["--host-root"])
        .not_asked(&[
            // In a user namespace the mounts that came from outside are locked together, and
            // umount says EINVAL (mount_namespaces(7)).
            "works_without_root_in_a_user_namespace",
            // There is none.
            "does_nothing_without_a_root_filesystem",
            "finds_the_command_in_its_own_root",
            "does_nothing_if_proc_cannot_be_mounted",
        ]),
    core(8, "memory", 30).part(&[]),
    more(8, "born-in-cgroup", "★★", 40),
    more(8, "capabilities", "★★★", 45)
        .part(&["--cap-drop", "ALL"])
        .not_asked(&["lets_setuid_programs_work"]),
    more(8, "seccomp", "★★★", 45)
        .part(&["--seccomp"])
        .not_asked(&["lets_setuid_programs_work"]),
    more(8, "image", "★★★", 90).takes_crates().part(&[]),
    more(8, "pull", "★★", 60).takes_crates().is_no_container(),
    more(8, "bridge", "★★★", 75).part(&["--network", "bridge"]),
    more(8, "detach", "★★★", 75).part(&[]),
    // It does what `clean-env` does, also where nobody asks for it.
    more(8, PROJECT, "★★★★", 150)
        .takes_crates()
        .not_asked(&["leaves_the_environment_to_the_caller"]),
];

/// The exercise that puts the others together, and takes longest.
pub const PROJECT: &str = "mydocker";

/// An exercise.
#[derive(Clone, Copy)]
pub struct Exercise {
    /// The number of the step whose chapter has it.
    pub step: u8,
    /// What it is called.
    pub name: &'static str,
    /// How hard it is. The core, which is for everyone, has no stars.
    pub stars: &'static str,
    /// How long it takes.
    pub minutes: u8,
    /// The options that switch it on in [`PROJECT`], if it is a part of that.
    pub part: Option<&'static [&'static str]>,
    /// Whether the answer is a container program, from which all is asked that makes its step
    /// dependable ...
    pub is_container: bool,
    /// ... except for these promises.
    pub not_asked: &'static [&'static str],
    /// Whether the answer takes crates that no step has. It is an example of its step's package
    /// then: `cargo build` builds neither it nor them.
    pub takes_crates: bool,
}

const fn core(step: u8, name: &'static str, minutes: u8) -> Exercise {
    more(step, name, "", minutes)
}

const fn more(step: u8, name: &'static str, stars: &'static str, minutes: u8) -> Exercise {
    Exercise {
        step,
        name,
        stars,
        minutes,
        part: None,
        is_container: true,
        not_asked: &[],
        takes_crates: false,
    }
}

impl Exercise {
    const fn part(mut self, options: &'static [&'static str]) -> Self {
        self.part = Some(options);
        self
    }

    const fn not_asked(mut self, promises: &'static [&'static str]) -> Self {
        self.not_asked = promises;
        self
    }

    const fn is_no_container(mut self) -> Self {
        self.is_container = false;
        self
    }

    const fn takes_crates(mut self) -> Self {
        self.takes_crates = true;
        self
    }

    /// Where cargo puts its answer, by the path of its step's program.
    pub fn answer(&self, step: &Path) -> PathBuf {
        let folder = if self.takes_crates { "examples" } else { "" };
        step.with_file_name(folder).join(self.name)
    }

    /// Whether it is for everyone.
    pub fn is_core(&self) -> bool {
        self.stars.is_empty()
    }

    /// Whether it puts the others together.
    pub fn is_project(&self) -> bool {
        self.name == PROJECT
    }

    /// As its page begins: `More · ★★ · 40 minutes`.
    pub fn about(&self) -> String {
        match self.is_core() {
            true => format!("Core · {} minutes", self.minutes),
            false => format!("More · {} · {} minutes", self.stars, self.minutes),
        }
    }
}

/// The exercises of a step, by its number.
pub fn exercises(step: u8) -> impl Iterator<Item = &'static Exercise> {
    EXERCISES
        .iter()
        .filter(move |exercise| exercise.step == step)
}

/// The exercise with a name.
pub fn exercise(name: &str) -> Option<&'static Exercise> {
    EXERCISES.iter().find(|exercise| exercise.name == name)
}
