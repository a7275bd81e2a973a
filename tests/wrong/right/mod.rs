//! What is right in the wrong answers: each file beside this folder shows what is wrong in one.
#![allow(dead_code, reason = "none of them needs all of it")]

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::chroot;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{ForkResult, Pid, getsid, sethostname, setsid};

const USAGE: &str = "usage: run [OPTION]... [--] COMMAND [ARG...]";

/// Gets the words of the command line, and returns the exit status.
pub fn main(main: impl FnOnce(&[String]) -> Result<i32>) -> ! {
    let args: Vec<String> = env::args().skip(1).collect();
    let code = main(&args).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        125
    });
    process::exit(code)
}

/// As steps 1 to 3: `run` gets the words after it.
pub fn run(run: impl FnOnce(&[String]) -> Result<i32>) -> ! {
    run_and_child(run, |_| bail!(USAGE))
}

/// As steps 4 to 7: `run` starts `child` in new namespaces, and that gets the words.
pub fn container(child: impl FnOnce(&[String]) -> Result<i32>) -> ! {
    let run = |argv: &[String]| {
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
        Ok(exit_code(start_child(argv)?.wait()?))
    };
    run_and_child(run, child)
}

pub fn run_and_child(
    run: impl FnOnce(&[String]) -> Result<i32>,
    child: impl FnOnce(&[String]) -> Result<i32>,
) -> ! {
    main(|args| match args.first().map(String::as_str) {
        Some("run") => run(&args[1..]),
        Some("child") => child(&args[1..]),
        _ => bail!(USAGE),
    })
}

pub fn start_child(argv: &[String]) -> Result<Child> {
    let mut child = Command::new("/proc/self/exe");
    Ok(child.arg("child").args(argv).spawn()?)
}

/// As `container`, with signals that are blocked in `run` and in `child`, which both `wait` for
/// them and for what they have started.
pub fn init(wait: fn(Child, &SigSet) -> Result<i32>) -> ! {
    use Signal::{SIGALRM, SIGCHLD, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2};
    let signals = SigSet::from_iter([SIGALRM, SIGCHLD, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2]);
    let run = |argv: &[String]| {
        signals.thread_block()?;
        unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)?;
        wait(start_child(argv)?, &signals)
    };
    let child = |argv: &[String]| {
        set_pdeathsig(Signal::SIGKILL)?;
        sethostname("container")?;
        let mut command = command(argv)?;
        #[expect(unsafe_code, reason = "nothing else runs between fork and exec")]
        // SAFETY: this is one system call, and there is one thread.
        unsafe {
            command.pre_exec(move || Ok(signals.thread_unblock()?));
        }
        wait(command.spawn()?, &signals)
    };
    run_and_child(run, child)
}

/// The value of the option, if that comes next.
pub fn take_option<'a>(argv: &mut &'a [String], name: &str) -> Option<&'a str> {
    match *argv {
        [option, value, rest @ ..] if option == name => {
            *argv = rest;
            Some(value)
        }
        _ => None,
    }
}

/// What step 7 does in `child`.
pub fn enter_root_with_proc() -> Result<()> {
    make_mounts_private()?;
    enter_root()?;
    mount_proc()
}

pub fn make_mounts_private() -> Result<()> {
    mount("/", "/", MsFlags::MS_REC | MsFlags::MS_PRIVATE)
}

pub fn enter_root() -> Result<()> {
    chroot(env::var("ROOTFS")?)?;
    Ok(env::set_current_dir("/")?)
}

pub fn mount_proc() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount("proc", "/proc", flags)
}

/// Mounts a folder, or a file system of the type `what`.
pub fn mount(what: &str, place: &str, flags: MsFlags) -> Result<()> {
    nix::mount::mount(Some(what), place, Some(what), flags, None::<&str>)?;
    Ok(())
}

/// Mounts the image, and what is written goes to the folder `writes`.
pub fn mount_overlay(image: &str, writes: &str, place: &str) -> Result<()> {
    let [upper, work] = ["upper", "work"].map(|name| format!("{writes}/{name}"));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    let options = format!("lowerdir={image},upperdir={upper},workdir={work}");
    let (kind, flags) = (Some("overlay"), MsFlags::empty());
    nix::mount::mount(kind, place, kind, flags, Some(options.as_str()))?;
    Ok(())
}

pub fn join_namespaces(pid: &str) -> Result<()> {
    let kinds = ["cgroup", "ipc", "net", "pid", "uts", "mnt"];
    // All are opened first: in another mount namespace, /proc is another.
    for file in kinds.map(|kind| File::open(format!("/proc/{pid}/ns/{kind}"))) {
        setns(file?, CloneFlags::empty())?;
    }
    Ok(())
}

/// Lays a cable from a bridge on the host to a new network namespace, in which we are then. What
/// is returned runs ip(8) on the host.
pub fn plug_in(has_fixed_hardware: bool) -> Result<impl Fn(&str) -> Result<()>> {
    let host = File::open("/proc/self/ns/net")?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let pid = process::id();
    let enter = format!("nsenter --net=/proc/{pid}/fd/{} ip", host.as_raw_fd());
    let on_host = move |words: &str| {
        let _open = &host;
        execute_words(&format!("{enter} {words}"))
    };
    // It may be there already.
    on_host("link add boxes address 02:00:00:00:00:01 type bridge").ok();
    on_host("address replace 10.77.0.1/24 dev boxes")?;
    on_host("link set boxes up")?;
    let is_made = |own: &u32| {
        let pair = format!("link add port{own} type veth peer name eth0 netns {pid}");
        on_host(&pair).is_ok()
    };
    let own = (2..100).find(is_made).unwrap_or_default();
    on_host(&format!("link set port{own} up master boxes"))?;
    if has_fixed_hardware {
        execute_words(&format!("ip link set eth0 address 02:00:00:00:01:{own:02}"))?;
    }
    execute_words(&format!("ip address add 10.77.0.{own}/24 dev eth0"))?;
    execute_words("ip link set eth0 up")?;
    execute_words("ip link set lo up")?;
    execute_words("ip route add default via 10.77.0.1")?;
    Ok(on_host)
}

fn execute_words(words: &str) -> Result<()> {
    let words: Vec<&str> = words.split(' ').collect();
    let status = Command::new(words[0]).args(&words[1..]).status()?;
    ensure!(status.success(), "{words:?}: {status}");
    Ok(())
}

/// Detaches a container, and lists those whose PID there is: `$STATE/NAME` has it.
pub fn detach(has_its_session: bool) -> ! {
    let state = PathBuf::from(env::var_os("STATE").unwrap_or_default());
    main(|args| {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match words[..] {
            ["run", "-d", "--name", name, ..] => {
                let mut supervisor = Command::new("/proc/self/exe");
                supervisor.arg("supervise").args(&args[4..]);
                let none = || Stdio::null();
                supervisor.stdin(none()).stdout(none()).stderr(none());
                fs::create_dir_all(&state)?;
                let pid = supervisor.spawn()?.id();
                fs::write(state.join(name), pid.to_string())?;
                // Before that, SIGHUP would reach it too.
                let pid = Pid::from_raw(pid.try_into()?);
                while has_its_session && getsid(Some(pid))? == getsid(None)? {
                    thread::sleep(Duration::from_millis(1));
                }
                println!("{name}");
            }
            ["supervise", ..] => {
                if has_its_session {
                    setsid()?;
                }
                unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
                return Ok(exit_code(start_child(&args[1..])?.wait()?));
            }
            ["child", ..] => {
                enter_root_with_proc()?;
                return become_command(&args[1..]);
            }
            ["ps"] => {
                for entry in fs::read_dir(&state)? {
                    let path = entry?.path();
                    let pid = Pid::from_raw(fs::read_to_string(&path)?.parse()?);
                    let is_there = kill(pid, None).is_ok();
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    println!("{name} {}", if is_there { "running" } else { "lost" });
                }
            }
            _ => bail!(USAGE),
        }
        Ok(0)
    })
}

/// Starts the command, and ends as it does.
pub fn execute(argv: &[String]) -> Result<i32> {
    Ok(exit_code(command(argv)?.status()?))
}

/// Becomes the command.
pub fn become_command(argv: &[String]) -> Result<i32> {
    let error = command(argv)?.exec();
    eprintln!("{}: {error}", argv[0]);
    let is_missing = error.kind() == ErrorKind::NotFound;
    Ok(if is_missing { 127 } else { 126 })
}

/// The command, which may stand after `--`.
pub fn command(argv: &[String]) -> Result<Command> {
    match argv {
        [dashes, argv @ ..] if dashes == "--" => command(argv),
        [name, args @ ..] if !name.starts_with('-') => {
            let mut command = Command::new(name);
            command.args(args);
            Ok(command)
        }
        _ => bail!(USAGE),
    }
}

pub fn exit_code(status: ExitStatus) -> i32 {
    let signal = status.signal().map(|number| 128 + number);
    status.code().or(signal).unwrap_or(125)
}

pub fn fork() -> Result<ForkResult> {
    #[expect(unsafe_code, reason = "nix has no safe fork")]
    // SAFETY: there is one thread.
    Ok(unsafe { nix::unistd::fork()? })
}

pub fn waitpid(pid: Pid, options: i32) -> Result<ExitStatus> {
    let mut status = 0;
    #[expect(unsafe_code, reason = "nix's waitpid fails after a real-time signal")]
    // SAFETY: `status` is an int to write to.
    let result = unsafe { libc::waitpid(pid.as_raw(), &raw mut status, options) };
    Errno::result(result)?;
    Ok(ExitStatus::from_raw(status))
}
