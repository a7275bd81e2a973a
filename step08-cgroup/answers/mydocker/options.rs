//! The command line, and what its options ask for.

use std::ffi::{OsStr, OsString};
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use lexopt::Parser;
use lexopt::prelude::*;
use nix::sched::CloneFlags;

use crate::amount;
use crate::capabilities;
use crate::publish::{self, Publish};
use crate::user::{User, read_user};
use crate::volume::{self, Volume};

pub const USAGE: &str = "\
usage: mydocker run [OPTIONS] [--] COMMAND [ARG...]
       mydocker --action run [OPTIONS] [--] COMMAND [ARG...]
       mydocker run [OPTIONS] --image PATH [--] [COMMAND [ARG...]]
       mydocker ps
       mydocker logs NAME
       mydocker stop [-t SECONDS] NAME
       mydocker rm NAME

  -d                starts it, prints its name, and ends: the others know it by that
  --name [NAME]     the hostname; without NAME, the first 12 characters of the ID
  --pid-file FILE   where to write the container's PID on the host, before it starts
  --env KEY=VALUE   one more variable in the environment
  --workdir FOLDER  where the command starts, instead of / or what the image says
  --user UID[:GID]  who the command is, instead of root or whom the image says
  --rootless        with a user namespace, so that no root is needed

  --image PATH      an OCI image layout, or what `docker save` has written. It says what the
                    options do not; writes to it are thrown away at the end
  --overlay         writes to the root filesystem are thrown away at the end
  --host-root       no root filesystem: the host's files, with a /proc of its own
  --volume HOST:CONTAINER[:ro]
                    a folder of the host in the container, below its /
  --network NAME    none, which is what you get without it; the host's: host; or bridge,
                    on which containers reach each other and the host
  --publish HOST:CONTAINER
                    with a bridge: a TCP port of the host that leads to one in there

  --memory BYTES    for all processes together, without swap: 64M is 64 * 1024 * 1024;
                    6M at least
  --cpus NUMBER     of processors, 0.01 at least: 0.5 is half of one's time
  --cap-drop NAME   a capability less, such as SYS_ADMIN, or ALL
  --cap-add NAME    one that is kept after all
  --seccomp         refuses system calls that change the machine

  --verbose         says what it does

ROOTFS names the root filesystem; without it, that is the folder rootfs.
STATE names the folder of all containers that -d has started.";

/// The network that the container has.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// `lo` alone.
    #[default]
    None,
    Bridge,
    Host,
}

/// What the command line asks for.
#[derive(Default)]
pub struct Options {
    pub is_detached: bool,
    /// Without a name, `Some` is empty.
    pub name: Option<OsString>,
    pub pid_file: Option<PathBuf>,
    pub variables: Vec<(OsString, OsString)>,
    pub workdir: Option<PathBuf>,
    pub user: Option<User>,
    pub rootless: bool,
    pub image: Option<PathBuf>,
    pub overlay: bool,
    pub host_root: bool,
    pub volumes: Vec<Volume>,
    pub network: Network,
    pub published: Vec<Publish>,
    /// In bytes.
    pub memory: Option<u64>,
    pub cpus: Option<f64>,
    pub dropped: capabilities::Set,
    pub added: capabilities::Set,
    pub seccomp: bool,
    pub verbose: bool,
    /// The command and its arguments: one word at least, unless there is an image.
    pub command: Vec<OsString>,
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
        namespaces.set(CloneFlags::CLONE_NEWNET, self.network != Network::Host);
        namespaces
    }

    /// The capabilities that are kept, in whatever order they were named.
    pub fn capabilities(&self) -> capabilities::Set {
        !self.dropped | self.added
    }

    /// Refuses what cannot go together.
    fn check(self) -> Result<Self> {
        if self.command.is_empty() && self.image.is_none() {
            bail!("expected `run` and a command");
        }
        if self.image.is_some() && self.host_root {
            bail!("--image brings a root filesystem, and --host-root does without");
        }
        if self.image.is_some() && self.rootless {
            bail!("the files of an image are many users', and with --rootless there is one");
        }
        if self.overlay && self.host_root {
            bail!("--overlay is for a root filesystem, and --host-root does without");
        }
        if self.rootless && self.user.is_some() {
            bail!("with --rootless there is one user, and so no --user");
        }
        if self.rootless && self.is_detached {
            bail!("-d takes a cgroup to stop a container, and --rootless may have none");
        }
        if self.rootless && self.network == Network::Bridge {
            bail!("a bridge takes root of the machine, and --rootless does without");
        }
        if !self.published.is_empty() && self.network != Network::Bridge {
            bail!("--publish is for --network bridge");
        }
        Ok(self)
    }
}

/// Takes the options from in front of the command. The first word that is no option begins
/// the command; `--` ends the options too.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Options> {
    let options = read(&mut Parser::from_args(args)).and_then(Options::check);
    options.map_err(|error| anyhow!("{error}\n{USAGE}"))
}

fn read(words: &mut Parser) -> Result<Options> {
    let mut options = Options::default();
    while let Some(word) = words.next()? {
        match word {
            Short('d') | Long("detach") => options.is_detached = true,
            Long("name") => options.name = Some(name(words)?),
            Long("pid-file") => options.pid_file = Some(path(words)?),
            Long("env") => options.variables.push(variable(&words.value()?)?),
            Long("workdir") => options.workdir = Some(path(words)?),
            Long("user") => options.user = Some(read_user(&words.value()?)?),
            Long("rootless") => options.rootless = true,
            Long("image") => options.image = Some(path(words)?),
            Long("overlay") => options.overlay = true,
            Long("host-root") => options.host_root = true,
            Long("volume") => {
                let volume = volume::split(&words.value()?);
                let volume = volume.context("expected HOST:CONTAINER[:ro] after --volume")?;
                options.volumes.push(volume);
            }
            Long("network") => options.network = words.value()?.parse_with(network)?,
            Long("publish") => {
                let ports = words.value()?.parse_with(publish::parse)?;
                options.published.push(ports);
            }
            Long("memory") => options.memory = Some(words.value()?.parse_with(memory)?),
            Long("cpus") => options.cpus = Some(words.value()?.parse_with(amount::cpus)?),
            Long("cap-drop") => options.dropped |= words.value()?.parse_with(capability)?,
            Long("cap-add") => options.added |= words.value()?.parse_with(capability)?,
            Long("seccomp") => options.seccomp = true,
            Long("verbose") => options.verbose = true,
            Value(word) if word == "-" => bail!("there is no option `-`"),
            Value(word) => options.command = iter::once(word).chain(words.raw_args()?).collect(),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

/// The value of `--name`, which has one only if the next word is no option. The kernel has room
/// for a hostname of 64 bytes.
fn name(words: &mut Parser) -> Result<OsString> {
    let attached = words.optional_value();
    let is_value = |word: &OsStr| !word.as_bytes().starts_with(b"-");
    let name = attached.or_else(|| words.try_raw_args()?.next_if(is_value));
    let name = name.unwrap_or_default();
    ensure!(
        name.len() <= 64,
        "expected a name of at most 64 bytes after --name"
    );
    Ok(name)
}

fn path(words: &mut Parser) -> Result<PathBuf> {
    let path = words.value()?;
    ensure!(
        !path.is_empty(),
        "expected a path after --pid-file, --workdir or --image"
    );
    Ok(path.into())
}

/// Splits KEY=VALUE at its first `=`.
fn variable(text: &OsStr) -> Result<(OsString, OsString)> {
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(end) if end > 0 => Ok((
            OsStr::from_bytes(&bytes[..end]).to_owned(),
            OsStr::from_bytes(&bytes[end + 1..]).to_owned(),
        )),
        _ => bail!("expected KEY=VALUE after --env"),
    }
}

fn network(text: &str) -> Result<Network> {
    match text {
        "none" => Ok(Network::None),
        "bridge" => Ok(Network::Bridge),
        "host" => Ok(Network::Host),
        _ => bail!("expected none, bridge or host after --network"),
    }
}

/// In less memory a container is killed before it starts.
fn memory(text: &str) -> Result<u64> {
    match amount::bytes(text) {
        Ok(bytes) if bytes >= 6 << 20 => Ok(bytes),
        _ => bail!("expected a size such as 64M, and 6M at least, after --memory"),
    }
}

fn capability(name: &str) -> Result<capabilities::Set> {
    capabilities::find(name).context("expected a name such as SYS_ADMIN, or ALL")
}
