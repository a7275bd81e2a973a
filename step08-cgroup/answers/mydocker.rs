//! An answer to the exercise `mydocker`: all of it in one.
//!
//! What the steps and the other exercises add one by one, in one program, with a cgroup
//! namespace too. Each part is a module; one that an answer has too is that answer's own, by a
//! symbolic link if it is an earlier step's.
//! Leaves out: a registry.
//!
//! Read: namespaces(7), cgroups(7), capabilities(7), and `docker run --help`.

#[path = "memory/amount.rs"]
mod amount;
#[path = "bridge/network.rs"]
mod bridge;
#[path = "mydocker/capabilities.rs"]
mod capabilities;
#[path = "memory/cgroup.rs"]
#[expect(dead_code, reason = "here `run` moves `child`, which so need not join")]
mod cgroup;
#[path = "detach/commands.rs"]
mod commands;
#[path = "image/config.rs"]
mod config;
#[path = "detach/container.rs"]
mod container;
#[path = "mydocker/dev.rs"]
mod dev;
#[path = "image/entry.rs"]
mod entry;
#[path = "seccomp/filter.rs"]
mod filter;
#[path = "mydocker/gate.rs"]
mod gate;
#[path = "../src/hierarchy.rs"]
mod hierarchy;
#[path = "mydocker/hostname.rs"]
mod hostname;
#[path = "mydocker/id.rs"]
mod id;
#[path = "mydocker/image.rs"]
mod image;
#[path = "mydocker/inherited.rs"]
mod inherited;
#[path = "mydocker/init.rs"]
mod init;
#[path = "image/layout.rs"]
mod layout;
#[path = "mydocker/limits.rs"]
mod limits;
#[path = "bridge/netlink.rs"]
mod netlink;
#[path = "mydocker/network.rs"]
mod network;
#[path = "mydocker/news.rs"]
mod news;
#[path = "mydocker/options.rs"]
mod options;
#[path = "mydocker/overlay.rs"]
mod overlay;
#[path = "mydocker/process.rs"]
mod process;
#[path = "bridge/publish.rs"]
mod publish;
#[path = "mydocker/root.rs"]
mod root;
#[path = "mydocker/rootless.rs"]
mod rootless;
#[path = "capabilities/sets.rs"]
mod sets;
#[path = "mydocker/signals.rs"]
mod signals;
#[path = "detach/supervisor.rs"]
mod supervisor;
#[path = "image/unpack.rs"]
mod unpack;
#[path = "capabilities/user.rs"]
mod user;
#[path = "mydocker/volume.rs"]
mod volume;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::container::Container;
use crate::gate::Gate;
use crate::layout::Image;
use crate::netlink::Netlink;
use crate::news::News;
use crate::options::{Network, Options, USAGE};
use crate::process::Start;

fn main() -> ExitCode {
    ExitCode::from(status(start()))
}

/// The exit status: the command's own, or after an error, which is told here, 125.
fn status(result: Result<u8>) -> u8 {
    result.unwrap_or_else(|error| {
        // If standard error is closed, the exit status alone has to tell.
        writeln!(io::stderr(), "error: {error:#}").ok();
        125
    })
}

fn start() -> Result<u8> {
    let mut args: Vec<OsString> = env::args_os().skip(1).collect();
    if args.first().is_some_and(|word| word == "--action") {
        args.remove(0);
    }
    let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let parse = |args: &[OsString]| options::parse(args.iter().cloned());
    match words[..] {
        ["run", ..] => {
            let options = parse(&args[1..])?;
            match options.is_detached {
                true => supervisor::run_detached(&name(&options)?, &args[1..]),
                false => run(&options),
            }
        }
        ["supervise", name, ..] => supervise(name, &parse(&args[2..])?),
        ["--help" | "-h", ..] => help(),
        _ if commands::execute(&words)? => Ok(0),
        _ => bail!("expected `run` and a command\n{USAGE}"),
    }
}

/// What a container is called that is detached.
fn name(options: &Options) -> Result<String> {
    match &options.name {
        Some(name) if !name.is_empty() => Ok(name.to_string_lossy().into()),
        _ => Ok(id::draw_id()?[..id::SHORT_ID_LENGTH].to_owned()),
    }
}

/// Starts a container, and stays until it has ended.
fn run(options: &Options) -> Result<u8> {
    signals::block_signals()?;
    let id = id::draw_id()?;
    print(&id)?;
    host(options, &id, None).map(|(_, code)| code)
}

/// Stays with a container that is detached.
fn supervise(name: &str, options: &Options) -> Result<u8> {
    signals::block_signals()?;
    let start = |container: &Container| host(options, name, Some(container));
    supervisor::stay_with(name, &options.command, start)
}

/// Starts `child` in namespaces of its own, and does from outside what only the host can do,
/// while `child` waits at the gate. Returns whether there was a command, and how it ended.
fn host(options: &Options, id: &str, detached: Option<&Container>) -> Result<(bool, u8)> {
    let mut gate = Some(Gate::new()?);
    let mut news = detached.map(News::of).transpose()?;
    let start = || isize::from(status(child(options, id, gate.take(), news.take())));
    let pid = process::clone_child(options.namespaces(), Box::new(start))?;
    if options.verbose {
        // The container is there by now, and does not end with who could read this.
        writeln!(io::stderr(), "On the host, child is {pid}").ok();
    }
    if options.rootless {
        // Before that, `child` is nobody, and may do nothing.
        rootless::map_ids(pid)?;
    }
    // This may take long, if the file is a FIFO, and a signal may end us meanwhile. So it
    // comes before the cgroup, which would be left behind.
    if let Some(file) = &options.pid_file {
        process::write_pid(pid, file)?;
    }
    // The limits are there before the command is, and hold for all that it starts.
    let cgroups = limits::limit(pid, options)?;
    if let (Some(container), Some(cgroups)) = (detached, &cgroups) {
        container.set_cgroups(&cgroups.paths)?;
    }
    let _network = match options.network {
        Network::Bridge => Some(plug_in(options, pid)?),
        _ => None,
    };
    // What `child` has taken was taken from its own copy of our memory. It stays open until we
    // end, however we end.
    let _open = gate.context("find the gate")?.open()?;
    let is_started = news.map_or(Ok(true), News::hear)?;
    Ok((is_started, init::wait(pid, false)?))
}

/// Lays a cable from the bridge to `child`, and publishes its ports.
fn plug_in(options: &Options, child: Pid) -> Result<bridge::Network> {
    let network = bridge::Network::join()?;
    let published = options.published.iter().map(publish::publish);
    let published = published.collect::<Result<Vec<_>>>()?;
    let container = open_netlink(child)?;
    let address = network.lay_cable(child.as_raw().try_into()?, &container)?;
    for port in &published {
        port.send(address).context("tell the address")?;
    }
    Ok(network)
}

/// A socket stays in the network namespace in which it was made, and a namespace is a thread's.
fn open_netlink(child: Pid) -> Result<Netlink> {
    let namespace = File::open(format!("/proc/{child}/ns/net"));
    let namespace = namespace.context("find the network namespace of child")?;
    thread::scope(|scope| {
        let open = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).context("enter the network of child")?;
            Netlink::open()
        };
        let opening = thread::Builder::new().spawn_scoped(scope, open);
        let opened = opening.context("start a thread")?.join();
        opened.unwrap_or_else(|_| bail!("open a netlink socket in the network of child"))
    })
}

/// Sets the container up from within, and executes the command.
fn child(options: &Options, id: &str, gate: Option<Gate>, news: Option<News>) -> Result<u8> {
    // When `run` ends, however it ends, the kernel kills us; and when PID 1 has ended, it
    // kills all that is left in the PID namespace. If `run` has ended before this line, the
    // gate tells.
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed when run ends")?;
    if !gate.context("find the gate")?.opens()? {
        // Whoever could be told why has ended.
        return Ok(125);
    }
    let container = news.map(News::tell).transpose()?;
    inherited::close_inherited()?;
    let log = container.map(Container::open_log).transpose()?;
    if options.verbose {
        announce("Running in child", &options.command)?;
    }
    // Its top is the cgroup that we are in at this moment, where `run` has put us.
    unshare(CloneFlags::CLONE_NEWCGROUP).context(process::MAKE_NAMESPACES)?;
    hostname::set_hostname(options, id)?;
    if options.network != Network::Host {
        network::bring_lo_up()?;
    }
    root::make_mounts_private()?;
    let image = options.image.as_deref().map(Image::open).transpose()?;
    let unpacked = image
        .as_ref()
        .map(|image| image::mount_image(&image.layers));
    if let Some(code @ 1..) = unpacked.transpose()? {
        return Ok(code);
    }
    change_mounts(options)?;
    let start = match image {
        Some(image) => Start::in_image(options, &image.config)?,
        None => Start::new(options),
    };
    execute(options, &start, log.as_ref())
}

/// Takes away what the command is not to have, and executes it.
fn execute(options: &Options, start: &Start, log: Option<&File>) -> Result<u8> {
    start.enter_folder()?;
    if let Some(user) = start.user {
        user::expect_user(user)?;
    }
    // All that takes capabilities is done: mounts, names, interfaces.
    if options.capabilities() != capabilities::ALL {
        sets::drop_capabilities(options.capabilities())?;
    }
    // Last, since the filter refuses us too what we have done above.
    if options.seccomp {
        filter::refuse_system_calls()?;
    }
    init::execute(&mut process::command(start, log)?, options.verbose, log)
}

/// Gives us a root filesystem, and mounts in it what a container needs.
fn change_mounts(options: &Options) -> Result<()> {
    // By their names they are out of reach as soon as there is another root.
    let folders = volume::open_folders(&options.volumes)?;
    if options.host_root {
        root::detach_proc()?;
        root::mount_proc()?;
        return volume::mount_volumes(&options.volumes, folders);
    }
    let dev = File::open("/dev").context("open the host's /dev")?;
    let roots = root::enter_root(options)?;
    root::mount_proc()?;
    dev::mount_dev()?;
    dev::make_devices(dev)?;
    dev::mount_tmp()?;
    // After /tmp: a volume may lie in there.
    volume::mount_volumes(&options.volumes, folders)?;
    root::swap_roots(roots)
}

fn announce(what: &str, argv: &[OsString]) -> Result<()> {
    let command = argv.join(OsStr::new(" "));
    let command = command.to_string_lossy();
    print(&format!("{what} [{command}] as {}", std::process::id()))
}

fn help() -> Result<u8> {
    print(USAGE)?;
    Ok(0)
}

/// Prints a line. `println!` would panic if nobody reads it, or if the disk is full.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}
