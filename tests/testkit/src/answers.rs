//! What only our own answers to the exercises show: what they do with input that no page asks
//! another's program for, and when things go wrong.

use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};
use kernelfiles::network::interfaces;
use kernelfiles::process;
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::image::{Layout, base};
use crate::patience::scaled;
use crate::program::{EXECUTED, Program};

/// Answers whose root filesystem may be the root that they have.
pub fn takes_the_hosts_root(program: &Program) -> Result<()> {
    let call = program.run(&["sh", "-c", "cd /.. && pwd && ls -d usr"]);
    let ended = call.with_env("ROOTFS", "/").end()?;
    ended.exits(0)?.prints("/\nusr")?;
    program.host.expect_nothing_left()
}

/// Answers that mount something in the root filesystem: where that has a link, it would land
/// elsewhere, or on top of `/`, where nobody sees it.
pub fn refuses_a_link_to_mount_on(program: &Program, folders: &[&str]) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    let moved = rootfs.join("moved");
    for folder in folders {
        let place = rootfs.join(folder);
        fs::rename(&place, &moved).context("make room")?;
        for target in ["/", ".", "../tmp", "/dev", "dev/shm", "/usr"] {
            symlink(target, &place).context("make a link")?;
            let call = program.run(&["ls"]).with_env("ROOTFS", &rootfs);
            let ended = call.end()?;
            let path = format!("/{folder}");
            ended
                .exits(125)?
                .complains(&[&path, "link", "make it a folder"])?;
            fs::remove_file(&place).context("make room")?;
        }
        fs::rename(&moved, &place).context("move a folder back")?;
    }
    program.host.expect_nothing_left()
}

/// Answers with a gate: `run` is killed while `child` is held up at one system call or another.
pub fn never_outlives_run(program: &Program, calls: &[&str]) -> Result<()> {
    for call in calls {
        let delay = format!("inject={call}:delay_enter=400000");
        let strace = [
            "strace",
            "--quiet=all",
            "-f",
            "-o",
            "/dev/null",
            "-e",
            &delay,
        ];
        let sleep = program.run(&["sleep", "4711"]);
        let mut running = sleep.with_prefix(&strace).start()?;
        let tracer = running.pid();
        let run = running.wait_until("`run`, which strace has started", |_| {
            // strace also has children that are only to find out what it can do.
            let is_run = |pid: &i32| {
                let words = process::argv(pid);
                words.first().is_some_and(|word| *word == program.path)
                    && process::parent(pid).is_ok_and(|parent| parent == tracer)
            };
            Ok(program.host.processes().into_iter().find(is_run))
        })?;
        thread::sleep(scaled(250));
        kill(Pid::from_raw(run), Signal::SIGKILL).context("kill `run`")?;
        // strace, too, ends when there is nothing left to trace.
        let what = format!("an end of all, as `run` was killed with `child` slow in {call}");
        program.host.expect_no_process_left(&what)?;
    }
    Ok(())
}

/// Answers that close what they have inherited: a folder they cannot close, they refuse.
pub fn refuses_a_folder_as_standard_input(program: &Program) -> Result<()> {
    let open = ["sh", "-c", "exec </ && exec \"$@\"", "sh"];
    let call = program
        .run_shell("ls /proc/self/fd/0/home")
        .with_prefix(&open);
    let ended = call.end()?;
    ended.exits(125)?.complains(&["descriptor 0", "folder"])?;
    Ok(())
}

/// Answers that tell something beside the command: if that cannot be written, the command
/// goes on, and the exit status is its own.
pub fn ends_as_the_command_if_nobody_can_be_told(program: &Program) -> Result<()> {
    let full = ["sh", "-c", "exec 2>/dev/full && exec \"$@\"", "sh"];
    for (command, code) in [("true", 0), ("/no/such", 127), ("/etc", 126), ("false", 1)] {
        let call = program.run(&[command]).with_prefix(&full);
        let ended = call.end()?;
        ended.exits(code)?;
    }
    Ok(())
}

/// Answers with volumes: one that the command would not see is a mistake.
pub fn refuses_a_volume_without_effect(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    symlink("..", rootfs.join("up")).context("make a link")?;
    let volume = |place: &str| format!("--volume={}:{place}", program.host.folder.path().display());
    let separate = |word: String| {
        let (option, value) = word.split_once('=').unwrap_or_default();
        [option.to_owned(), value.to_owned()]
    };
    for (places, words) in [
        (&["/"][..], "on /"),
        (&["//"], "on /"),
        (&["/.."], "on /"),
        (&["/up"], "on /"),
        (&["/usr/.."], "on /"),
        (&["/proc"], "on /proc"),
        (&["/proc/self/cwd"], "on /"),
        (&["/root", "/root"], "on /root"),
        (&["/root", "/up/root"], "on /root"),
        (&["/usr/bin", "/usr"], "on /usr"),
        (&["/nowhere"], "/nowhere"),
    ] {
        let options: Vec<String> = places
            .iter()
            .flat_map(|place| separate(volume(place)))
            .collect();
        let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
        options.push("--");
        let call = program.run_with(&options, EXECUTED);
        let ended = call.with_env("ROOTFS", &rootfs).end()?;
        ended.exits(125)?.complains(&[words])?;
    }
    Ok(())
}

/// Answers with volumes: a volume that is read-only forbids what the folder's mount does.
pub fn keeps_what_a_mount_forbids(program: &Program) -> Result<()> {
    let folder = program.host.make_folder()?;
    let options = "nosuid,nodev,noexec,nosymfollow,noatime,nodiratime";
    // mount(8) does not know nosymfollow before 2.37.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let flags = flags | MsFlags::MS_NOATIME | MsFlags::MS_NODIRATIME;
    let flags = flags | MsFlags::from_bits_retain(libc::MS_NOSYMFOLLOW);
    let none = None::<&str>;
    mount(Some("none"), folder.path(), Some("tmpfs"), flags, none).context("mount a tmpfs")?;
    let volume = format!("{}:/root:ro", folder.path().display());
    let command = ["cat", "/proc/self/mountinfo"];
    let call = program.run_with(&["--volume", &volume], &command);
    let ended = call.end()?;
    umount2(folder.path(), MntFlags::MNT_DETACH).context("unmount the tmpfs")?;
    let mut lines = ended.stdout.lines();
    let line = lines.find(|line| line.split(' ').nth(4) == Some("/root"));
    let seen: Vec<&str> = line
        .and_then(|line| line.split(' ').nth(5))
        .unwrap_or_default()
        .split(',')
        .collect();
    let holds = options
        .split(',')
        .chain(["ro"])
        .all(|option| seen.contains(&option));
    let what = format!("a mount on /root with the options ro,{options}");
    ended.exits(0)?.expected(&what, holds)?;
    Ok(())
}

/// Answers with volumes: without root, a mount cannot be left behind.
pub fn takes_along_what_is_mounted_below(program: &Program) -> Result<()> {
    let folder = program.host.folder.path().join("folder");
    fs::create_dir_all(folder.join("below")).context("make a folder")?;
    program.host.mount_tmpfs(&folder.join("below"), "1m")?;
    fs::write(folder.join("below/file"), "from below\n").context("write a file")?;
    for prefix in [&[][..], &["unshare", "-r"]] {
        let command = ["cat", "/root/below/file"];
        let call = program.run_with(&["--volume", "folder:/root"], &command);
        let call = call.with_prefix(prefix);
        call.end()?.exits(0)?.prints("from below")?;
    }
    let command = ["ls", "/root/below"];
    let call = program.run_with(&["--volume", "folder:/root:ro"], &command);
    let call = call.with_prefix(&["unshare", "-r"]);
    call.end()?
        .exits(125)?
        .complains(&["without root", "mount below"])?;
    umount2(&folder.join("below"), MntFlags::MNT_DETACH).context("unmount the tmpfs")?;
    Ok(())
}

/// Answers with `--user`: a user that the command cannot be is not the command's fault.
pub fn refuses_a_user_that_cannot_be(program: &Program) -> Result<()> {
    for (user, prefix) in [
        ("4294967295", &[][..]),
        ("4294967295:0", &[]),
        ("0:4294967295", &[]),
        ("4294967296", &[]),
        ("-1", &[]),
        ("1000:", &[]),
        (":1000", &[]),
        ("", &[]),
        ("root", &[]),
        ("1000", &["unshare", "-r"]),
    ] {
        let call = program.run_with(&["--user", user], EXECUTED);
        let call = call.with_prefix(prefix);
        let ended = call.end()?;
        ended.exits(125)?.complains(&["user"])?;
        ended.has_executed_nothing()?;
    }
    Ok(())
}

/// Answers with an overlay: it forbids what the image's mount does, and its root belongs to
/// whom the image's does.
pub fn keeps_what_the_image_has(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[])?;
    chown(&rootfs, Some(1234), Some(2345)).context("give the image away")?;
    fs::set_permissions(&rootfs, Permissions::from_mode(0o3751)).context("set its rights")?;
    let image = program.host.expose(&rootfs)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let none = None::<&str>;
    mount(none, image.path(), none, flags, none).context("remount the image")?;
    let script = "stat -c '%u %g %a' / && grep -q ' / / [^ ]*nosuid,nodev[^ ]* ' \
                  /proc/self/mountinfo && echo kept";
    let script = format!("test -e /proc/self || mount -t proc proc /proc; {script}");
    let call = program.run(&["sh", "-c", &script]);
    let ended = call.with_env("ROOTFS", image.path()).end()?;
    ended.exits(0)?.prints("1234 2345 3751\nkept")?;
    Ok(())
}

/// Answers with an overlay: without root, too, a folder of the image can be deleted, and made
/// anew, and is empty then.
pub fn deletes_a_folder_without_root(program: &Program) -> Result<()> {
    if !tmpfs_has_attributes(program)? {
        return Ok(());
    }
    let script = "rm -r /etc && mkdir /etc && ls -A /etc && echo empty";
    let call = program.run(&["sh", "-c", script]);
    let ended = call.with_prefix(&["unshare", "-r"]).end()?;
    ended.exits(0)?.prints("empty")?;
    let holds = ended.stderr.is_empty();
    ended.expected("no complaint", holds)?;
    Ok(())
}

/// Only from Linux 6.6 on a tmpfs has attributes that are anybody's.
fn tmpfs_has_attributes(program: &Program) -> Result<bool> {
    let file = program.host.make_file()?;
    #[expect(unsafe_code, reason = "nix has no function for it")]
    // SAFETY: fsetxattr(2) reads a name that ends with a 0, and no byte of a value.
    let result = unsafe {
        libc::fsetxattr(
            file.as_raw_fd(),
            c"user.test".as_ptr(),
            c"".as_ptr().cast(),
            0,
            0,
        )
    };
    match Errno::result(result) {
        Err(Errno::EOPNOTSUPP) => Ok(false),
        result => Ok(result.map(|_| true)?),
    }
}

/// Answers with a `Command` of their own: what there is too little of for starting the command
/// is not the command's fault; nor is a caller that ignores the end of its children.
pub fn does_not_blame_the_command(program: &Program) -> Result<()> {
    let few = ["sh", "-c", "ulimit -n 4 && exec \"$@\"", "sh"];
    let call = program.run(&["true"]).with_prefix(&few);
    let ended = call.end()?;
    ended.exits(125)?.complains(&["Too many open files"])?;
    let ignores = ["env", "--ignore-signal=CHLD"];
    let call = program.run_shell("exit 3").with_prefix(&ignores);
    let ended = call.end()?;
    ended.exits(3)?;
    Ok(())
}

/// Answers with a stack of their own: the less memory there may be, the sooner they end, and
/// each time in words.
pub fn says_that_memory_is_short(program: &Program) -> Result<()> {
    let mut told = false;
    for kilobytes in (3_000..100_000).step_by(500) {
        let limit = format!("ulimit -v {kilobytes} && exec \"$@\"");
        let call = program
            .run(&["true"])
            .with_prefix(&["sh", "-c", &limit, "sh"]);
        let ended = call.end()?;
        let is_told = ended.stderr.contains("allocate a stack");
        if is_told {
            ended.exits(125)?.complains(&["ulimit -v"])?;
        }
        told |= is_told;
        if told && !is_told {
            ended.exits(0)?;
            return Ok(());
        }
    }
    bail!("it never says that it has no memory for a stack")
}

/// Answers with a user namespace: a program that may be executed and not read has no say over
/// its own files in /proc.
pub fn says_that_it_has_to_be_readable(program: &Program) -> Result<()> {
    let folder = program.host.make_folder()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).context("open a folder")?;
    let copy = folder.path().join("copy");
    fs::copy(&program.path, &copy).context("copy a program")?;
    fs::set_permissions(&copy, Permissions::from_mode(0o111)).context("set its mode")?;
    let user = "setpriv --reuid=1000 --regid=1000 --clear-groups strace -f -o /dev/null";
    let user: Vec<&str> = user.split(' ').collect();
    let call = program.run(&["true"]).with_prefix(&user);
    let ended = call.at(copy).end()?;
    ended
        .exits(125)?
        .complains(&["setgroups", "you may read", "755"])?;
    Ok(())
}

/// Answers with a cable: a user namespace's root may have one end of it, and not that on the
/// host; and where all names are taken, or all addresses, nothing is done.
pub fn says_what_a_cable_takes(program: &Program) -> Result<()> {
    let (_exposed, path) = program.expose()?;
    let call = program.run(EXECUTED).with_prefix(&["unshare", "-r"]);
    let ended = call.at(path).end()?;
    ended
        .exits(125)?
        .complains(&["Operation not permitted", "takes root", "modprobe veth"])?;
    ended.has_executed_nothing()?;
    let others = "ip address add 198.18.0.99/16 dev lo && exec \"$@\"";
    let call = program
        .run(EXECUTED)
        .with_prefix(&["sh", "-c", others, "sh"]);
    let ended = call.end()?;
    ended.exits(125)?.complains(&["none are free"])?;
    ended.has_executed_nothing()?;
    Ok(())
}

/// Answers with a bridge: an interface of its name, or a net with its addresses, may be there
/// already, and stays.
pub fn leaves_what_is_somebody_elses(program: &Program) -> Result<()> {
    for (others, words) in [
        (
            "ip link add boxes type veth",
            "another interface called boxes",
        ),
        (
            "ip link delete boxes; ip address add 198.18.1.99/16 dev lo",
            "a route to",
        ),
    ] {
        let script = format!("{others} && exec \"$@\"");
        let call = program
            .run(EXECUTED)
            .with_prefix(&["sh", "-c", &script, "sh"]);
        let ended = call.end()?;
        ended.exits(125)?.complains(&[words])?;
        ended.has_executed_nothing()?;
        let has_boxes = interfaces("thread-self")?.contains("boxes");
        let what = "the interface boxes where it was before, and nowhere else";
        ended.expected(what, has_boxes == words.contains("boxes"))?;
    }
    Ok(())
}

/// `mydocker`: what an option cannot mean, it says, with a cure.
pub fn refuses_what_an_option_cannot_mean(program: &Program) -> Result<()> {
    let long = "x".repeat(65);
    for (options, words) in [
        (&["--=x"][..], "'--'"),
        (&["--="], "'--'"),
        (&["-"], "`-`"),
        (&["--memory", "1"], "6M at least"),
        (&["--memory", "0"], "6M at least"),
        (&["--memory", "-64M"], "6M at least"),
        (&["--memory", "5M"], "6M at least"),
        (&["--memory", "64MB"], "such as 64M"),
        (&["--memory", "18446744073709551616"], "such as 64M"),
        (&["--memory="], "--memory"),
        (&["--cpus", "0"], "0.01 at least"),
        (&["--cpus", "nan"], "such as 0.5"),
        (&["--cpus", "inf"], "such as 0.5"),
        (&["--cpus", "-1"], "such as 0.5"),
        (&["--cpus="], "--cpus"),
        (&["--name", &long], "64 bytes"),
        (&["--env", "=x"], "KEY=VALUE"),
        (&["--env", "KEY"], "KEY=VALUE"),
        (&["--env="], "--env"),
        (&["--pid-file", ""], "--pid-file"),
        (&["--workdir", ""], "--workdir"),
        (&["--network", ""], "--network"),
        (&["--network", "web"], "none, bridge or host"),
        (&["--publish", "8080:80"], "--network bridge"),
        (
            &["--network", "bridge", "--rootless"],
            "root of the machine",
        ),
        (&["--cap-add", ""], "--cap-add"),
        (&["--cap-drop", "NOTHING"], "ALL"),
        (&["--overlay="], "--overlay"),
    ] {
        let ended = program.run_with(options, EXECUTED).end()?;
        ended.exits(125)?.complains(&[words, "usage"])?;
        ended.expected("nothing on standard output", ended.stdout.is_empty())?;
    }
    // The order of these two is not asked for.
    let options = ["--cap-add", "CHOWN", "--cap-drop", "ALL"];
    let call = program.run_with(&options, &["grep", "CapBnd", "/proc/self/status"]);
    let ended = call.end()?;
    ended.exits(0)?.prints("CapBnd:\t0000000000000001")?;
    Ok(())
}

/// Answers with a filter: each call that reaches beyond the container fails with EPERM, also
/// where no program for it is at hand. Perl makes any call, by its number.
pub fn refuses_what_reaches_beyond(program: &Program) -> Result<()> {
    let rootfs = program.make_rootfs(&[Path::new("/usr/bin/perl")])?;
    let numbers: Vec<String> = REFUSED.iter().map(i64::to_string).collect();
    // With -1 for all arguments each of them fails without a filter, too, but in another way.
    let script = r#"
        for $number (@ARGV) {
            syscall($number, (-1) x 6);
            print "$number fails with ", $! + 0, "\n" if $! != 1;
        }
        syscall(435, -1, -1);
        print "clone3 fails with ", $! + 0, "\n" if $! != 38;
        for $request (0x5412, 0x541c, (7 << 32) + 0x5412) {
            ioctl(STDIN, $request, $word = "x");
            print "ioctl $request fails with ", $! + 0, "\n" if $! != 1;
        }
        $pid = fork // die "fork: $!";
        exit 7 if $pid == 0;
        waitpid $pid, 0;
        print "a child ended with ", $? >> 8, "\n";
    "#;
    let mut words = vec!["perl", "-e", script];
    words.extend(numbers.iter().map(String::as_str));
    let call = program.run(&words);
    let call = call.with_env("ROOTFS", &rootfs).with_env("LC_ALL", "C");
    let ended = call.end()?;
    ended.exits(0)?;
    // The script, too, is told before the command's output.
    let is_other = |line: &str| {
        let (_, errno) = line.split_once(" fails with ").unwrap_or_default();
        errno.parse::<i32>().is_ok()
    };
    let holds = !ended.stdout.lines().any(is_other);
    ended.expected(
        "EPERM for each of these calls, and ENOSYS for clone3",
        holds,
    )?;
    Ok(())
}

/// Answers with images: umoci makes layouts, and skopeo what `docker save` writes.
pub fn runs_what_other_tools_make(program: &Program) -> Result<()> {
    let folder = program.host.folder.path();
    fs::write(folder.join("layer.tar"), base(&program.rootfs)?).context("write a layer")?;
    for words in [
        "umoci init --layout made",
        "umoci new --image made:test",
        "umoci raw add-layer --image made:test layer.tar",
        "umoci config --image made:test --config.env COLOUR=blue --config.user 1000:1001 \
         --config.workingdir /root --config.cmd env",
        "skopeo --insecure-policy --tmpdir . copy oci:made:test docker-archive:saved.tar:test:latest",
        "skopeo --insecure-policy --tmpdir . copy oci:made:test oci:copied:test",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let call = program.call(&words[1..]).at(words[0].into());
        call.end()?.exits(0)?;
    }
    for image in ["made", "copied", "saved.tar"] {
        let ended = program.run_with(&["--image", image], &[]).end()?;
        ended.exits(0)?.prints("COLOUR=blue")?;
        let script = "echo $(id -u):$(id -g) $(pwd)";
        let call = program.run_with(&["--image", image], &["sh", "-c", script]);
        call.end()?.exits(0)?.prints("1000:1001 /root")?;
    }
    Ok(())
}

/// Answers with images: an image that takes long to unpack can be ended, and leaves nothing.
pub fn ends_while_it_unpacks(program: &Program) -> Result<()> {
    let image = program.host.folder.path().join("image");
    Layout::make(image, &[base(&program.rootfs)?], &json!({}))?;
    let before = program.host.snapshot()?;
    let ours = process::pids("self")?.len();
    let delay = "inject=fchownat,lchown:delay_enter=500000";
    let strace = [
        "strace",
        "--quiet=all",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        delay,
    ];
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let call = program.run_with(&["--image", "image"], EXECUTED);
        let mut running = call.with_prefix(&strace).start()?;
        let filler = running.wait_until("a process that unpacks", |_| {
            // Whoever unpacks is the container's second process.
            let is_it =
                |pid: &i32| process::pids(*pid).is_ok_and(|pids| pids.get(ours) == Some(&2));
            Ok(program.host.processes().into_iter().find(is_it))
        })?;
        thread::sleep(scaled(300));
        kill(Pid::from_raw(filler), signal).context("send a signal")?;
        let ended = running.end()?;
        ended.exits(128 + signal as i32)?.has_executed_nothing()?;
        program.host.expect_nothing_left()?;
        program.host.expect_unchanged(&before)?;
    }
    Ok(())
}

/// All of Linux 6.18 that changes mounts, namespaces, the kernel, clocks, or what belongs to
/// no namespace.
const REFUSED: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    467, // open_tree_attr
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_clone,
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    if cfg!(target_arch = "x86_64") {
        320
    } else {
        294
    }, // kexec_file_load
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_vhangup,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];
