//! The programs that are timed: where they come from, and proof that they do the work.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::{plain_command, succeeded};

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

const HOW_TO_INSTALL: &str = "apt-get install --no-install-recommends";

/// One static file, without position-independent code: nothing is left for the loader to
/// find, map and relocate, each time that a program is executed. Step 8 is executed twice,
/// as `run` and as `child`. (Link-time optimization and `panic = "abort"` made no difference
/// that could be measured, so the profile is that of a plain release.)
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// A step, built statically.
pub struct Step {
    pub name: &'static str,
    pub adds: &'static str,
    pub command: &'static str,
}

macro_rules! steps {
    ($($name:literal: $adds:literal,)+) => {
        &[
            Step { name: "`true` alone", adds: "", command: "true" },
            $(Step {
                name: $name,
                adds: $adds,
                command: concat!("static/", $name, " run true"),
            },)+
        ]
    };
}

/// The steps that execute a command, up to step 8, and before them the command itself.
pub const STEPS: &[Step] = steps! {
    "step02-exec": "a program that waits for it",
    "step03-uts": "a UTS namespace",
    "step04-child": "another program, `child`",
    "step05-pid": "a PID namespace",
    "step06-chroot": "a root filesystem",
    "step07-proc": "a mount namespace, `/proc`",
};

pub struct Program {
    pub name: &'static str,
    pub version: String,
    /// What it claims to do of [`FEATURES`], and later what it has been seen to do.
    pub does: [bool; 5],
    start: Start,
}

/// How a container is started.
enum Start {
    /// The command follows these words.
    Words(String),
    /// A runtime reads the command from an OCI bundle, a folder with a config.json.
    Bundle,
}

impl Program {
    /// The command that executes `args` in a container, as words.
    pub fn command(&self, args: &[&str]) -> Result<Vec<String>> {
        let line = match &self.start {
            Start::Words(words) => format!("{words} {}", args[0]),
            Start::Bundle => {
                let bundle = write_bundle(args)?;
                format!("{} run --bundle {bundle} {OCI_ID}", self.name)
            }
        };
        let mut command: Vec<String> = line.split(' ').map(String::from).collect();
        if let Start::Words(_) = self.start {
            command.extend(args[1..].iter().map(|arg| (*arg).to_owned()));
        }
        Ok(command)
    }

    /// Looks around in a container: which of [`FEATURES`] does it have?
    fn look(&self) -> Result<[bool; 5]> {
        let command = self.command(&["sh", "-c", PROBE])?;
        let output = plain_command(&command[0]).args(&command[1..]).output();
        let output = output.with_context(|| format!("execute {}", command[0]))?;
        succeeded(self.name, &output)?;
        let text = String::from_utf8_lossy(&output.stdout);
        // Step 8 and the limit print two lines of their own before.
        let text = text.rsplit_once(" as 1\n").map_or(&*text, |(_, text)| text);
        let [hostname, pid, root, seen, at_most] = text.lines().collect::<Vec<_>>()[..] else {
            bail!("{}: the probe printed {text:?}", self.name);
        };
        let few = |number: &str| number.parse().is_ok_and(|number: u32| number <= 3);
        let own_hostname = hostname == "container";
        Ok([
            own_hostname,
            few(pid),
            root == "yes",
            few(seen),
            at_most == "20",
        ])
    }

    /// Takes what was seen for what it does, unless it claimed more.
    fn confirm(&mut self, seen: [bool; 5]) -> Result<()> {
        for (index, feature) in FEATURES.into_iter().enumerate() {
            let missing = self.does[index] && !seen[index];
            ensure!(
                !missing,
                "{} does not do the same work: {feature}",
                self.name
            );
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
        if let Start::Bundle = self.start {
            plain_command(self.name)
                .args(["delete", "--force", OCI_ID])
                .output()
                .ok();
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
        let package = if *name == "cc" { "gcc" } else { name };
        version(name).with_context(|| {
            format!("no {name} on this machine: `{HOW_TO_INSTALL} {package}` brings it")
        })?;
    }
    Ok(())
}

/// The first line of what `NAME --version` prints.
pub fn version(name: &str) -> Result<String> {
    let output = plain_command(name).arg("--version").output();
    let output = output.with_context(|| format!("execute {name}"))?;
    succeeded(name, &output)?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The programs that can be timed here, the limit first and then step 8, static and
/// plain; and, in words, those that cannot.
pub fn provide(parent: &Path) -> Result<(Vec<Program>, Vec<String>)> {
    let steps = build_steps()?;
    let place = format!("{} rootfs", parent.display());
    let mut ours = vec![
        (
            "limit.c, static",
            build_limit("cc", "limit")?,
            format!("./limit {place}"),
        ),
        (
            "step 8, static",
            steps.version.clone(),
            "static/step08-cgroup run".into(),
        ),
        (
            "step 8, plain release",
            steps.version.clone(),
            "plain/step08-cgroup run".into(),
        ),
    ];
    let mut left_out = Vec::new();
    let musl = ["limit.c, static, musl", "step 8, static, musl"];
    if version("musl-gcc").is_ok() {
        let version = build_limit("musl-gcc", "limit-musl")?;
        ours.push((musl[0], version, format!("./limit-musl {place}")));
    } else {
        left_out.push(format!(
            "{}: `{HOW_TO_INSTALL} musl-tools` brings it",
            musl[0]
        ));
    }
    if steps.has_musl {
        ours.push((musl[1], steps.version, "musl/step08-cgroup run".into()));
    } else {
        left_out.push(format!(
            "{}: `rustup target add {}` brings it",
            musl[1], steps.musl
        ));
    }
    let mut programs = Vec::new();
    for (name, version, words) in ours {
        let mut program = Program {
            name,
            version,
            does: ALL,
            start: Start::Words(words),
        };
        program.confirm(program.look()?)?;
        programs.push(program);
    }
    for (name, does, package, start) in peers() {
        let executable = if package == "bubblewrap" {
            "bwrap"
        } else {
            name
        };
        let Ok(version) = version(executable) else {
            left_out.push(format!("{name}: `{HOW_TO_INSTALL} {package}` brings it"));
            continue;
        };
        let mut program = Program {
            name,
            version,
            does,
            start,
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

/// The others: name, what it claims, its package, and how it starts a container.
fn peers() -> [(&'static str, [bool; 5], &'static str, Start); 4] {
    let without_cap = [true, true, true, true, false];
    let without_name = [false, true, true, true, false];
    let unshare = "unshare -u -p -m -f --mount-proc=rootfs/proc chroot rootfs";
    let bubblewrap =
        "bwrap --unshare-uts --unshare-pid --hostname container --bind rootfs / --proc /proc";
    [
        (
            "unshare",
            without_name,
            "util-linux",
            Start::Words(unshare.into()),
        ),
        (
            "bubblewrap",
            without_cap,
            "bubblewrap",
            Start::Words(bubblewrap.into()),
        ),
        ("crun", ALL, "crun", Start::Bundle),
        ("runc", ALL, "runc", Start::Bundle),
    ]
}

/// Builds the limit: static, as ours is, for nothing in C starts faster.
fn build_limit(compiler: &str, name: &str) -> Result<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("limit.c");
    let mut build = plain_command(compiler);
    build.args(["-O2", "-static", "-o", "built"]).arg(source);
    let output = build
        .output()
        .with_context(|| format!("execute {compiler}"))?;
    succeeded(compiler, &output)?;
    install(Path::new("built"), Path::new(name))?;
    version(compiler)
}

/// What was built.
struct Steps {
    /// Cargo's version is the compiler's.
    version: String,
    musl: String,
    has_musl: bool,
}

/// Builds the steps statically, and copies all builds here: `static`, with the same C
/// library as the plain build; `musl`, with a smaller one, if that is installed; `plain`.
fn build_steps() -> Result<Steps> {
    let about = Command::new(cargo())
        .arg("-vV")
        .output()
        .context("execute cargo -vV")?;
    let about = String::from_utf8_lossy(&about.stdout).into_owned();
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("find the host in what `cargo -vV` prints")?;
    build(Some(host), "static")?;
    let musl = host.replace("-gnu", "-musl");
    let library = plain_command("rustc")
        .args(["--print=target-libdir", "--target", &musl])
        .output()
        .context("execute rustc")?;
    let has_musl = Path::new(String::from_utf8_lossy(&library.stdout).trim()).is_dir();
    if has_musl {
        build(Some(&musl), "musl")?;
    }
    build(None, "plain")?;
    let version = about.lines().next().unwrap_or_default().to_owned();
    Ok(Steps {
        version,
        musl,
        has_musl,
    })
}

/// The steps that are built statically.
fn steps() -> impl Iterator<Item = &'static str> {
    let others = STEPS[1..].iter().map(|step| step.name);
    others.chain(["step08-cgroup"])
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the steps statically for a target, or as cargo does by itself, in a folder of
/// their own.
fn build(target: Option<&str>, name: &str) -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("static");
    let mut build = Command::new(cargo());
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(["build", "--quiet", "--locked", "--release", "--target-dir"]);
    build.arg(&folder);
    if let Some(target) = target {
        build
            .env("RUSTFLAGS", STATIC)
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        // With --target, the flags are not for build scripts and procedural macros, which
        // cannot be static.
        build.args(["--target", target]);
    }
    for step in steps() {
        build.args(["--package", step, "--bin", step]);
    }
    let status = build.status().context("execute cargo build")?;
    ensure!(
        status.success(),
        "the build of the {name} programs failed: {status}"
    );
    for step in steps() {
        let built = folder
            .join(target.unwrap_or_default())
            .join("release")
            .join(step);
        install(&built, &Path::new(name).join(step))?;
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
