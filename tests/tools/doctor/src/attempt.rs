//! What is tried, each time in a child process that ends at once.
//!
//! The child is this same program, started with a word that the usage does not tell. That
//! is safe by hand too: what could change the machine comes after the unshare(2), in the
//! same process, that keeps it from the machine.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::os::unix::fs::chroot;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use common::{find_in_path, print};
use kernelfiles::cgroup::{self, Cgroup, Unmade};
use nix::errno::Errno;
use nix::libc::CLONE_NEWTIME;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use nix::unistd::sethostname;

use crate::machine::{self, User};

/// The first argument of a child process.
pub const WORD: &str = "try";

/// The namespaces that there are, with the flag that makes one. A process has to be
/// single-threaded for the last.
const NAMESPACES: [(&str, CloneFlags); 8] = [
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("time", CloneFlags::from_bits_retain(CLONE_NEWTIME)),
    ("user", CloneFlags::CLONE_NEWUSER),
];

/// What came of trying each kind of namespace: by the number of the error, or 0, the names of
/// those that were refused with it.
pub struct Namespaces(BTreeMap<i32, Vec<String>>);

impl Namespaces {
    /// Tries them in a child process.
    pub fn find(prefix: &str) -> Result<Self, Refusal> {
        let mut names = BTreeMap::<i32, Vec<String>>::new();
        for line in attempt(prefix, &["namespaces"], Path::new("/"))?.lines() {
            let (name, number) = line.split_once(' ').context("find a number")?;
            let number = number.parse().context("read a number")?;
            names.entry(number).or_default().push(name.to_owned());
        }
        Ok(Self(names))
    }

    /// Whether one of this kind can be made.
    pub fn have(&self, kind: &str) -> bool {
        self.with(0).iter().any(|name| name == kind)
    }

    /// The kinds of which there are too many, or none is allowed.
    pub fn without_room(&self) -> &[String] {
        self.with(Errno::ENOSPC as i32)
    }

    fn with(&self, number: i32) -> &[String] {
        self.0.get(&number).map_or(&[], Vec::as_slice)
    }

    /// A line for those that can be made, and one for those that cannot for the same reason.
    pub fn describe(&self) -> Vec<String> {
        let lines = self.0.iter().map(|(number, names)| match number {
            0 => names.join(" "),
            _ => format!(
                "not {}: {}",
                names.join(" "),
                Errno::from_raw(*number).desc()
            ),
        });
        lines.collect()
    }
}

/// Step 8's own cap.
const MAX_PROCESSES: &str = "20";

/// What is put in front of a child process: nothing,
pub const AS_CALLED: &str = "";

/// what makes it root of a new user namespace,
pub const UNSHARE: &str = "unshare -r";

/// or what gives a user a cgroup that is theirs.
pub const SCOPE: &str = "systemd-run --quiet --user --scope -p Delegate=yes";

/// Why something cannot be done.
pub struct Refusal {
    /// The error of the system call, if it was one that failed.
    pub errno: Option<Errno>,
    /// The system call and its error in words. Further lines are advice, and commands.
    pub message: String,
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        let errno = error.chain().find_map(|cause| {
            let io = cause.downcast_ref::<io::Error>();
            let raw = io.and_then(io::Error::raw_os_error).map(Errno::from_raw);
            raw.or(cause.downcast_ref::<Errno>().copied())
        });
        let message = format!("{error:#}{}", advice(&error));
        Self { errno, message }
    }
}

impl Refusal {
    /// Whether more rights could help.
    pub fn is_of_permission(&self) -> bool {
        matches!(self.errno, Some(Errno::EPERM | Errno::EACCES))
    }
}

/// Tries `what` in a child process behind `prefix`, with `root` as the root filesystem, and
/// returns what the child has found.
pub fn attempt(prefix: &str, what: &[&str], root: &Path) -> Result<String, Refusal> {
    // Without a /proc, the path of this program is only known by what was typed.
    let typed = || env::args_os().next().map(PathBuf::from);
    let own = env::current_exe().ok().or_else(typed).unwrap_or_default();
    let mut words = prefix.split_whitespace().map(PathBuf::from).chain([own]);
    let mut child = Command::new(words.next().unwrap_or_default());
    // unshare(1) is to say in English what it cannot do.
    child.args(words).env("ROOTFS", root).env("LC_ALL", "C");
    found_by(child, what)
}

/// Starts this program once more, as the steps start `child`.
fn again(what: &[&str]) -> Result<String, Refusal> {
    found_by(Command::new("/proc/self/exe"), what)
}

/// What a child process finds when it tries something, or why it cannot: see [`answer`].
fn found_by(mut child: Command, what: &[&str]) -> Result<String, Refusal> {
    // Not /dev/null, which a bare chroot does not have.
    let child = child.arg(WORD).args(what).stdin(Stdio::piped());
    let output = child.output();
    let output =
        output.with_context(|| format!("execute {}", child.get_program().to_string_lossy()))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    if let Some((errno, message)) = stdout.trim_end().split_once('\n') {
        return Err(Refusal {
            errno: errno.parse().ok().map(Errno::from_raw),
            message: message.to_owned(),
        });
    }
    // unshare(1) could not start it, or something killed it.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let ended = || format!("it ended with {}", output.status);
    Err(Refusal {
        errno: None,
        message: stderr.lines().last().map_or_else(ended, str::to_owned),
    })
}

/// What a child process does: it tries, and prints what it has found, or else the number of the
/// error and the message.
pub fn answer(what: &[&str]) -> Result<ExitCode> {
    // Whoever presses Ctrl-C gets no half of it: nothing here lasts.
    SigSet::all().thread_block().context("block signals")?;
    let step = |number: &str| number.parse().context("read the number of a step");
    let tried = match *what {
        ["namespaces"] => Ok(try_namespaces()),
        ["cgroup"] => try_cgroup(),
        ["join", cgroup] => join(cgroup),
        ["step", number] => try_step(step(number)?),
        ["inside", number, cgroup] => try_inside(step(number)?, cgroup),
        _ => bail!("nobody but the doctor says `{WORD}`"),
    };
    match tried {
        Ok(found) => print(&found),
        Err(Refusal { errno, message }) => {
            let errno = errno.map_or(0, |errno| errno as i32);
            print(&format!("{errno}\n{message}\n"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Tries each kind of namespace, and returns lines such as `uts 0` or `time 22`, where
/// 0 means that there is one now.
fn try_namespaces() -> String {
    let lines = NAMESPACES.map(|(name, flag)| {
        let errno = unshare(flag).map_or_else(|errno| errno as i32, |()| 0);
        format!("{name} {errno}\n")
    });
    lines.concat()
}

/// What to do about an error, in lines that follow it.
fn advice(error: &anyhow::Error) -> String {
    let is_first = || machine::first_has_pids() && !User::find().is_root();
    let advice = match error.downcast_ref() {
        Some(Unmade::NotMounted(_)) => "\nsee cgroups(7)",
        Some(Unmade::Refused(_, error)) => match error.kind() {
            io::ErrorKind::PermissionDenied if is_first() => {
                "\nthis takes root: no cgroup of version 1 is delegated"
            }
            io::ErrorKind::PermissionDenied => {
                "\nwithout root it takes a delegated cgroup, such as `systemd-run --user --scope \
                 -p Delegate=yes` makes for the command that follows"
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "\na container needs `--privileged` to write there"
            }
            _ => "",
        },
        Some(Unmade::Crowded(parent)) => &format!(
            "\nMove the processes into a child of their own, and try again:\n\
             mkdir {0}/init\n\
             xargs -n1 < {0}/cgroup.procs > {0}/init/cgroup.procs",
            parent.display()
        ),
        None => "",
    };
    advice.to_owned()
}

/// Makes a cgroup as step 8 does, lets a process join it, and removes it.
fn try_cgroup() -> Result<String, Refusal> {
    let Some(cgroup) = make_cgroup()? else {
        return Ok("not enabled yet, which step 8 does by itself".into());
    };
    let path = cgroup.path.clone();
    again(&["join", &path.to_string_lossy()])?;
    drop(cgroup);
    match path.exists() {
        true => Err(anyhow!("remove the cgroup {}", path.display()).into()),
        false => Ok("a cgroup can be made, capped, joined and removed".into()),
    }
}

/// `None` stands for one that can be made, but only after a change that would last: the
/// first cgroup with pids on a version 2 system has its parent enable the controller.
fn make_cgroup() -> Result<Option<Cgroup>> {
    if machine::must_enable_pids() {
        return Ok(None);
    }
    let cgroup = Cgroup::make(&cgroup::new_name(), "pids")?;
    cgroup.write("pids.max", MAX_PROCESSES)?;
    Ok(Some(cgroup))
}

/// Moves this process, and no other.
fn join(cgroup: &str) -> Result<String, Refusal> {
    cgroup::join(Path::new(cgroup))?;
    Ok(String::new())
}

/// Does what `run` does in step `number`, for a command that does nothing.
fn try_step(number: u32) -> Result<String, Refusal> {
    if number >= 3 {
        // Steps 7 and 8 get their mount namespace in `try_inside`.
        let uts = CloneFlags::CLONE_NEWUTS;
        let (flags, names) = match number {
            ..=4 => (uts, "UTS namespace"),
            5.. => (uts | CloneFlags::CLONE_NEWPID, "UTS and PID namespaces"),
        };
        unshare(flags).with_context(|| format!("unshare the {names}"))?;
        sethostname("container").context("set the hostname")?;
    }
    if number <= 3 {
        return execute_shell();
    }
    let cgroup = if number >= 8 { make_cgroup()? } else { None };
    let path = cgroup.as_ref().map(|cgroup| cgroup.path.to_string_lossy());
    again(&["inside", &number.to_string(), &path.unwrap_or_default()])
}

/// Does what `child` does in step `number`, where it lasts no longer than this process. The
/// cgroup is named to those that are to join one.
fn try_inside(number: u32, cgroup: &str) -> Result<String, Refusal> {
    if !cgroup.is_empty() {
        join(cgroup)?;
    }
    if number >= 7 {
        unshare(CloneFlags::CLONE_NEWNS).context("unshare the mount namespace")?;
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).context("make / private")?;
    }
    if number >= 6 {
        let root = env::var_os("ROOTFS").unwrap_or_else(|| "rootfs".into());
        chroot(&root).with_context(|| format!("chroot to {}", root.to_string_lossy()))?;
        env::set_current_dir("/").context("change directory to the new /")?;
    }
    if number >= 7 {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
            .context("mount proc on /proc")?;
    }
    execute_shell()
}

/// Executes a shell that does nothing: bash, or else sh.
fn execute_shell() -> Result<String, Refusal> {
    let mut shell = Command::new(find_in_path("bash").map_or("sh", |_| "bash"));
    // The variable would name a file of commands.
    let status = shell.args(["-c", ":"]).env_remove("BASH_ENV").status();
    let status = status.context("execute bash")?;
    match status.success() {
        true => Ok(String::new()),
        false => Err(anyhow!("bash ended with {status}").into()),
    }
}
