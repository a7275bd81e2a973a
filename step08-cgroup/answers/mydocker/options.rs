//! The command line, and what its options ask for.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use nix::sched::CloneFlags;

use crate::capabilities;
use crate::volume::Volume;

pub const USAGE: &str = "\
usage: mydocker run [OPTIONS] [--] COMMAND [ARG...]
       mydocker --action run [OPTIONS] [--] COMMAND [ARG...]

  --name [NAME]     the hostname; without NAME, the first 12 characters of the ID
  --pid-file FILE   where to write the container's PID on the host, before it starts
  --env KEY=VALUE   one more variable in the environment
  --workdir FOLDER  where the command starts, instead of /
  --user UID[:GID]  who the command is, instead of root
  --rootless        with a user namespace, so that no root is needed

  --overlay         writes to the root filesystem are thrown away at the end
  --host-root       no root filesystem: the host's files, with a /proc of its own
  --volume HOST:CONTAINER[:ro]
                    a folder of the host in the container, below its /
  --network NAME    none, which is what you get without it, or the host's: host

  --memory BYTES    for all processes together, without swap: 64M is 64 * 1024 * 1024;
                    6M at least
  --cpus NUMBER     of processors, 0.01 at least: 0.5 is half of one's time
  --cap-drop NAME   a capability less, such as SYS_ADMIN, or ALL
  --cap-add NAME    one that is kept after all
  --seccomp         refuses system calls that change the machine

  --verbose         says what it does

ROOTFS names the root filesystem; without it, that is the folder rootfs.";

/// A user and a group, by their numbers.
pub type User = (u32, u32);

/// What the command line asks for.
pub struct Options {
    /// Without a name, `Some` is empty.
    pub name: Option<OsString>,
    pub pid_file: Option<OsString>,
    pub variables: Vec<(OsString, OsString)>,
    pub workdir: PathBuf,
    pub user: Option<User>,
    pub rootless: bool,
    pub overlay: bool,
    pub host_root: bool,
    pub volumes: Vec<Volume>,
    pub host_network: bool,
    /// In bytes.
    pub memory: Option<u64>,
    pub cpus: Option<f64>,
    pub dropped: capabilities::Set,
    pub added: capabilities::Set,
    pub seccomp: bool,
    pub verbose: bool,
    /// The command and its arguments: one word at least.
    pub command: Vec<OsString>,
}

/// What you get without options.
impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            pid_file: None,
            variables: Vec::new(),
            workdir: "/".into(),
            user: None,
            rootless: false,
            overlay: false,
            host_root: false,
            volumes: Vec::new(),
            host_network: false,
            memory: None,
            cpus: None,
            dropped: 0,
            added: 0,
            seccomp: false,
            verbose: false,
            command: Vec::new(),
        }
    }
}

impl Options {
    /// The namespaces that the container is born in. For the cgroup namespace it is too
    /// early: its top is the cgroup that its first process is in.
    pub fn namespaces(&self) -> CloneFlags {
        let mut namespaces = CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWIPC;
        // The kernel makes the user namespace first, and the others then belong to it.
        namespaces.set(CloneFlags::CLONE_NEWUSER, self.rootless);
        namespaces.set(CloneFlags::CLONE_NEWNET, !self.host_network);
        namespaces
    }

    /// The capabilities that are kept, in whatever order they were named.
    pub fn capabilities(&self) -> capabilities::Set {
        !self.dropped | self.added
    }

    /// Takes one option and its value.
    fn set(
        &mut self,
        option: &str,
        words: &mut Words<impl Iterator<Item = OsString>>,
    ) -> Result<()> {
        match option {
            "--name" => self.name = Some(name(words.name())?),
            "--pid-file" => self.pid_file = Some(words.value()?),
            "--env" => self.variables.push(variable(&words.value()?)?),
            "--workdir" => self.workdir = words.value()?.into(),
            "--user" => self.user = Some(user(&words.value()?)?),
            "--rootless" => self.rootless = true,
            "--overlay" => self.overlay = true,
            "--host-root" => self.host_root = true,
            "--volume" => self.volumes.push(volume(&words.value()?)?),
            "--network" => self.host_network = is_host_network(&words.value()?)?,
            "--memory" => self.memory = Some(bytes(&words.value()?)?),
            "--cpus" => self.cpus = Some(cpus(&words.value()?)?),
            "--cap-drop" => self.dropped |= capability(&words.value()?)?,
            "--cap-add" => self.added |= capability(&words.value()?)?,
            "--seccomp" => self.seccomp = true,
            "--verbose" => self.verbose = true,
            _ => bail!("there is no option `{option}`\n{USAGE}"),
        }
        Ok(())
    }

    /// Refuses what cannot go together.
    fn check(self) -> Result<Self> {
        if self.command.is_empty() {
            bail!("expected `run` and a command\n{USAGE}");
        }
        if self.overlay && self.host_root {
            bail!("--overlay is for a root filesystem, and --host-root does without\n{USAGE}");
        }
        if self.rootless && self.user.is_some() {
            bail!("with --rootless there is one user, and so no --user\n{USAGE}");
        }
        Ok(self)
    }
}

/// Takes the options from in front of the command. The first word that is no option begins
/// the command; `--` ends the options too.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Options> {
    let mut options = Options::default();
    let mut words = Words {
        option: String::new(),
        value: None,
        rest: args.peekable(),
    };
    while words.next_option() {
        let option = words.option.clone();
        options.set(&option, &mut words)?;
        if words.value.is_some() {
            bail!("{option} takes no value\n{USAGE}");
        }
    }
    options.command = words.rest.collect();
    options.check()
}

/// The words of the command line, while they are options.
struct Words<I: Iterator<Item = OsString>> {
    /// The one that was read last.
    option: String,
    /// What stood behind a `=` in the same word, until it is taken.
    value: Option<OsString>,
    rest: Peekable<I>,
}

impl<I: Iterator<Item = OsString>> Words<I> {
    /// Reads an option, if one is next: `--option VALUE` or `--option=VALUE`.
    fn next_option(&mut self) -> bool {
        let word = self.rest.next_if(is_option).unwrap_or_default();
        if word.is_empty() || word == "--" {
            return false;
        }
        // In `--=x` no name stands before the `=`, and so it is all of it that is no option.
        let bytes = word.as_bytes();
        let end = bytes.iter().skip(3).position(|byte| *byte == b'=');
        let (option, value) = bytes.split_at(end.map_or(bytes.len(), |end| end + 3));
        self.option = String::from_utf8_lossy(option).into_owned();
        self.value = value.get(1..).map(|value| OsStr::from_bytes(value).into());
        true
    }

    fn value(&mut self) -> Result<OsString> {
        let value = self.value.take().or_else(|| self.rest.next());
        let value = value.filter(|value| !value.is_empty());
        value.with_context(|| format!("expected a value after {}\n{USAGE}", self.option))
    }

    /// The value of `--name`, which has one only if the next word is no option.
    fn name(&mut self) -> OsString {
        let value = self.value.take();
        let value = value.or_else(|| self.rest.next_if(|word| !is_option(word)));
        value.unwrap_or_default()
    }
}

fn is_option(word: &OsString) -> bool {
    word.as_bytes().starts_with(b"-")
}

/// The kernel has room for a hostname of 64 bytes.
fn name(name: OsString) -> Result<OsString> {
    if name.len() > 64 {
        bail!("expected a name of at most 64 bytes after --name\n{USAGE}");
    }
    Ok(name)
}

/// Splits KEY=VALUE at its first `=`.
fn variable(text: &OsStr) -> Result<(OsString, OsString)> {
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(end) if end > 0 => Ok((
            OsStr::from_bytes(&bytes[..end]).to_owned(),
            OsStr::from_bytes(&bytes[end + 1..]).to_owned(),
        )),
        _ => bail!("expected KEY=VALUE after --env\n{USAGE}"),
    }
}

/// Splits UID:GID. Without a GID the group has the user's number, as on most systems.
fn user(text: &OsStr) -> Result<User> {
    let user = text.to_str().unwrap_or_default();
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    match (uid.parse(), gid.parse()) {
        // For setuid(2) that is -1, and means nobody.
        (Ok(u32::MAX), _) | (_, Ok(u32::MAX)) => bail!("there is no user or group {}", u32::MAX),
        (Ok(uid), Ok(gid)) => Ok((uid, gid)),
        _ => bail!("expected UID or UID:GID, in numbers, after --user\n{USAGE}"),
    }
}

/// Splits HOST:CONTAINER[:ro].
fn volume(text: &OsStr) -> Result<Volume> {
    let parts: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b':').collect();
    let (host, container, is_read_only) = match parts[..] {
        [host, container] => (host, container, false),
        [host, container, b"ro"] => (host, container, true),
        _ => (&b""[..], &b""[..], false),
    };
    if host.is_empty() || !container.starts_with(b"/") {
        bail!("expected HOST:CONTAINER[:ro] after --volume\n{USAGE}");
    }
    Ok(Volume {
        host: OsStr::from_bytes(host).into(),
        container: OsStr::from_bytes(container).into(),
        is_read_only,
    })
}

fn is_host_network(text: &OsStr) -> Result<bool> {
    match text.to_str() {
        Some("host") => Ok(true),
        Some("none") => Ok(false),
        _ => bail!("expected none or host after --network\n{USAGE}"),
    }
}

/// The least memory that a container gets. In less it is killed before it starts.
const MIN_MEMORY: u64 = 6 << 20;

/// Reads a size: a number of bytes, or of K, M or G, each 1024 times the one before.
fn bytes(text: &OsStr) -> Result<u64> {
    let text = text.to_str().unwrap_or_default();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 0,
    };
    let bytes = digits.parse().ok().and_then(|n: u64| n.checked_mul(unit));
    let bytes = bytes.filter(|bytes| *bytes >= MIN_MEMORY);
    bytes.with_context(|| {
        format!("expected a size such as 64M, and 6M at least, after --memory\n{USAGE}")
    })
}

/// Reads a number of processors. The kernel gives out a thousandth of a second at least.
fn cpus(text: &OsStr) -> Result<f64> {
    let cpus = text.to_str().and_then(|text| text.parse().ok());
    let cpus = cpus.filter(|cpus| (0.01..=10_000.0).contains(cpus));
    cpus.with_context(|| {
        format!("expected a number such as 0.5, and 0.01 at least, after --cpus\n{USAGE}")
    })
}

fn capability(name: &OsStr) -> Result<capabilities::Set> {
    let found = name.to_str().and_then(capabilities::find);
    found.with_context(|| format!("expected a name such as SYS_ADMIN, or ALL\n{USAGE}"))
}
