//! The programs that are timed: where they come from, and proof that they do the work.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use course::STEPS;
use serde_json::json;

use crate::{output, plain_command};

/// The program that all are measured against.
const LIMIT: &str = "limit.c, static";

/// What a container of step 8 has, and [`PROBE`] sees from within.
pub const FEATURES: [&str; 5] = ["hostname", "PIDs", "`/`", "`/proc`", "cap"];
const ALL: [bool; 5] = [true; 5];

/// Prints a line for each of [`FEATURES`]. The subshell starts processes until it is
/// refused, and says at its end how many there are.
const PROBE: &str = "\
hostname
echo $$
[ -e /.made-by-rootfs ] && echo yes || echo no
set -- /proc/[0-9]*; echo $#
(trap 'set -- /proc/[0-9]*; echo $#' EXIT
i=0; while [ $i -lt 30 ]; do sleep 9 & i=$((i+1)); done) 2>&-
exit 0";

/// The others: name, executable, package, what it claims to do of [`FEATURES`], and how it
/// starts a container.
type Peer = (
    &'static str,
    &'static str,
    &'static str,
    [bool; 5],
    Option<&'static str>,
);
const PEERS: [Peer; 4] = [
    ("unshare", "unshare", "util-linux", NO_NAME, Some(UNSHARE)),
    ("bubblewrap", "bwrap", "bubblewrap", NO_CAP, Some(BWRAP)),
    ("crun", "crun", "crun", ALL, None),
    ("runc", "runc", "runc", ALL, None),
];
const NO_NAME: [bool; 5] = [false, true, true, true, false];
const NO_CAP: [bool; 5] = [true, true, true, true, false];
const UNSHARE: &str = "unshare -u -p -m -f --mount-proc=rootfs/proc chroot rootfs";
const BWRAP: &str =
    "bwrap --unshare-uts --unshare-pid --hostname container --bind rootfs / --proc /proc";

const HOW_TO_INSTALL: &str = "apt-get install --no-install-recommends";

/// One static file, without position-independent code: nothing is left for the loader to
/// find, map and relocate, each time that a program is executed. Step 8 is executed twice,
/// as `run` and as `child`.
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// What makes that file smaller, and lets it touch fewer pages. The page has what came of it.
const SMALL: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
];

/// The answer that is timed beside the steps.
const BORN: &str = "born-in-cgroup";

/// The command itself, and then the steps that execute it, built statically, up to step 7.
pub fn by_step() -> Vec<String> {
    let steps = STEPS[1..7].iter();
    let steps = steps.map(|step| format!("musl/{step} run true"));
    ["true".to_owned()].into_iter().chain(steps).collect()
}

pub struct Program {
    pub name: &'static str,
    pub version: String,
    /// What it claims to do of [`FEATURES`], and later what it has been seen to do.
    pub does: [bool; 5],
    /// The command follows these words. Without any it is a runtime, which reads the command
    /// from an OCI bundle, a folder with a config.json.
    words: Option<String>,
}

impl Program {
    /// The command that executes `args` in a container, as words.
    pub fn command(&self, args: &[&str]) -> Result<Vec<String>> {
        let (words, args) = match &self.words {
            Some(words) => (words.clone(), args),
            None => {
                let bundle = write_bundle(args)?;
                let words = format!("{} run --bundle {bundle} {OCI_ID}", self.name);
                (words, &[][..])
            }
        };
        let words = words.split(' ').chain(args.iter().copied());
        Ok(words.map(String::from).collect())
    }

    /// Looks around in a container: which of [`FEATURES`] does it have?
    fn look(&self) -> Result<[bool; 5]> {
        let command = self.command(&["sh", "-c", PROBE])?;
        let text = output(plain_command(&command[0]).args(&command[1..]))?;
        // Step 8 and the limit print two lines of their own before.
        let text = text.rsplit_once(" as 1\n").map_or(&*text, |(_, text)| text);
        let [hostname, pid, root, seen, at_most] = text.lines().collect::<Vec<_>>()[..] else {
            bail!("{}: the probe printed {text:?}", self.name);
        };
        let few = |number: &str| number.parse().is_ok_and(|number: u32| number <= 3);
        let (hostname, root) = (hostname == "container", root == "yes");
        Ok([hostname, few(pid), root, few(seen), at_most == "20"])
    }

    /// Takes what was seen for what it does, unless it claimed more.
    fn confirm(&mut self, seen: [bool; 5]) -> Result<()> {
        for (index, feature) in FEATURES.into_iter().enumerate() {
            let name = self.name;
            let is_true = seen[index] || !self.does[index];
            ensure!(is_true, "{name} does not do the same work: {feature}");
        }
        self.does = seen;
        Ok(())
    }

    /// Not one of ours, whose names tell how they were built.
    pub fn is_peer(&self) -> bool {
        !self.name.contains(',')
    }

    /// A runtime that was interrupted, perhaps last week, leaves state in /run, and a cgroup.
    fn clear(&self) {
        if self.words.is_none() {
            output(plain_command(self.name).args(["delete", "--force", OCI_ID])).ok();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The name of our container, where a runtime wants one.
pub const OCI_ID: &str = "cost-of-a-container";

/// Ends with advice if one of these programs is not installed.
pub fn need(names: &[&str]) -> Result<()> {
    for name in names {
        let package = match *name {
            "cc" => "gcc",
            "musl-gcc" => "musl-tools",
            name => name,
        };
        version(name).with_context(|| {
            format!("no {name} on this machine: `{HOW_TO_INSTALL} {package}` brings it")
        })?;
    }
    Ok(())
}

/// The first line of what `NAME --version` prints.
pub fn version(name: &str) -> Result<String> {
    let text = output(plain_command(name).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// What is timed: the limit first, then step 8 as one would ship it, built with musl, a small C
/// library, and statically: one file, and no loader. Then the same from this machine's C library,
/// and what else there is. And, in words, what cannot be timed here. In a machine of `tests/vm`
/// all is built already.
pub fn provide(parent: &Path, is_built: bool) -> Result<(Vec<Program>, Vec<String>)> {
    if !is_built {
        build_all()?;
    }
    let limit = |program: &str| format!("./{program} {} rootfs", parent.display());
    let ours = [
        (LIMIT, "musl-gcc", limit("limit-musl")),
        ("step 8, static", "cargo", "musl/step08-cgroup run".into()),
        (
            "born-in-cgroup, static",
            "cargo",
            format!("musl/{BORN} run"),
        ),
        (
            "step 8, plain release",
            "cargo",
            "plain/step08-cgroup run".into(),
        ),
        ("limit.c, static, glibc", "cc", limit("limit")),
        (
            "step 8, static, glibc",
            "cargo",
            "static/step08-cgroup run".into(),
        ),
    ];
    let mut left_out = Vec::new();
    let mut programs = Vec::new();
    for (name, builder, words) in ours {
        let mut program = Program {
            name,
            version: version(builder)?,
            does: ALL,
            words: Some(words),
        };
        program.confirm(program.look()?)?;
        programs.push(program);
    }
    for (name, executable, package, does, words) in PEERS {
        let Ok(version) = version(executable) else {
            left_out.push(format!("{name}: `{HOW_TO_INSTALL} {package}` brings it"));
            continue;
        };
        let words = words.map(String::from);
        let mut program = Program {
            name,
            version,
            does,
            words,
        };
        program.clear();
        match program.look() {
            Ok(seen) => {
                program.confirm(seen)?;
                programs.push(program);
            }
            Err(error) => left_out.push(format!("{name} does not work here: {error:#}")),
        }
    }
    Ok((programs, left_out))
}

/// Builds all of ours, in three ways.
fn build_all() -> Result<()> {
    let host = output(plain_command("rustc").arg("--print=host-tuple"))?;
    let host = host.trim();
    let musl = host.replace("-gnu", "-musl");
    let library = ["--print=target-libdir", "--target", &musl];
    let library = output(plain_command("rustc").args(library))?;
    ensure!(
        Path::new(library.trim()).is_dir(),
        "no musl for Rust on this machine: `rustup target add {musl}` brings it"
    );
    build(Some(&musl), "musl")?;
    build(Some(host), "static")?;
    build(None, "plain")?;
    build_in_c("musl-gcc", "limit.c", "limit-musl")?;
    build_in_c("cc", "limit.c", "limit")?;
    build_in_c("cc", "entrance.c", "entrance")
}

/// Builds what is in C: static, as ours is, for nothing in C starts faster.
fn build_in_c(compiler: &str, source: &str, name: &str) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let mut build = plain_command(compiler);
    output(build.args(["-O2", "-static", "-o", "built"]).arg(source))?;
    install(Path::new("built"), Path::new(name))
}

/// Builds the steps statically for a target, or as cargo does by itself, in a folder of
/// their own, and copies them here.
fn build(target: Option<&str>, name: &str) -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("static");
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(["build", "--quiet", "--locked", "--release", "--target-dir"]);
    build.arg(&folder);
    if let Some(target) = target {
        build
            .env("RUSTFLAGS", STATIC)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .envs(SMALL);
        // With --target, the flags are not for build scripts and procedural macros, which
        // cannot be static.
        build.args(["--target", target]);
    }
    for step in &STEPS[1..] {
        build.args(["--package", step, "--bin", step]);
    }
    build.args(["--bin", BORN]);
    let status = build.status().context("execute cargo build")?;
    let what = format!("the build of the {name} programs");
    ensure!(status.success(), "{what} failed: {status}");
    let built = folder.join(target.unwrap_or_default()).join("release");
    for program in STEPS[1..].iter().chain([&BORN]) {
        install(&built.join(program), &Path::new(name).join(program))?;
    }
    Ok(())
}

/// Copies a program, as it would be installed. The same bytes start up to 8 % slower from
/// the file that a linker has just written, bit by bit, than from one written in one go.
fn install(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    Ok(())
}

/// Makes an OCI bundle around the root filesystem, with what step 8 does and no more.
fn write_bundle(args: &[&str]) -> Result<String> {
    let bundle = format!("bundle-{}", args[0]);
    let rootfs = fs::canonicalize("rootfs").context("find the root filesystem")?;
    let config = json!({
        "ociVersion": "1.0.0",
        "hostname": "container",
        "root": { "path": rootfs },
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "cwd": "/",
            "env": ["PATH=/usr/bin"],
            "args": args,
        },
        "mounts": [{
            "destination": "/proc",
            "type": "proc",
            "source": "proc",
            "options": ["nosuid", "nodev", "noexec"],
        }],
        "linux": {
            "namespaces": [{ "type": "pid" }, { "type": "uts" }, { "type": "mount" }],
            "resources": { "pids": { "limit": 20 } },
        },
    });
    fs::create_dir_all(&bundle).with_context(|| format!("make {bundle}"))?;
    let path = format!("{bundle}/config.json");
    fs::write(&path, config.to_string()).with_context(|| format!("write {path}"))?;
    Ok(bundle)
}
