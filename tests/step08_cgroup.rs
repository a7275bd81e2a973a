//! What only step 8 and its answers show. The other tests of its suite stand in
//! `tests/testkit/src`: what it teaches in `lesson.rs` (`stops_a_fork_bomb`), what
//! makes it trustworthy in `dependable.rs`, how ours say what they do in `own.rs`, and what each
//! of its exercises asks for in `exercise/NAME.rs`.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use testkit::answers::{
    deletes_a_folder_without_root, does_not_blame_the_command,
    ends_as_the_command_if_nobody_can_be_told, ends_while_it_unpacks, keeps_what_a_mount_forbids,
    keeps_what_the_image_has, leaves_what_is_somebody_elses, never_outlives_run,
    refuses_a_folder_as_standard_input, refuses_a_link_to_mount_on, refuses_a_user_that_cannot_be,
    refuses_a_volume_without_effect, refuses_what_an_option_cannot_mean,
    refuses_what_reaches_beyond, runs_what_other_tools_make, says_that_it_has_to_be_readable,
    says_that_memory_is_short, takes_along_what_is_mounted_below, takes_the_hosts_root,
};
use testkit::checks;
use testkit::contract::failure::expect;
use testkit::dependable::{IN_NO_FOLDER_OF_ITS_OWN, UNHEARD, has_done_nothing};
use testkit::kernelfiles::cgroup::{self, words};
use testkit::own::start_with_a_silent_child;
use testkit::patience::until;
use testkit::program::{EXECUTED, Program, Running, STARTED};
use testkit::suite::{self, Step};

fn main() -> ExitCode {
    suite::run(Step {
        number: 8,
        program: env!("CARGO_BIN_EXE_step08-cgroup"),
        scratch: env!("CARGO_TARGET_TMPDIR"),
        own: checks![
            has_child_and_the_command_in_its_cgroup,
            shares_its_cgroup_with_nobody,
            is_not_disturbed_by_a_cgroup_that_sigkill_left,
            mydocker_takes_the_hosts_root,
            it_and_answers_refuse_a_link_to_mount_on,
            makes_nothing_where_the_cgroups_are_covered,
            finds_the_cgroups_by_any_name,
            names_its_cgroup_after_its_pid_and_the_time,
            gives_its_cgroup_the_controller_that_counts,
            makes_its_cgroup_where_one_is_delegated,
            fails_if_the_cap_cannot_be_written,
            fails_if_child_cannot_join_the_cgroup,
            tells_what_it_takes_to_make_a_cgroup,
            tries_again_to_remove_a_cgroup_that_is_busy,
            tells_which_cgroup_it_cannot_remove,
            mydocker_never_outlives_run,
            answers_refuse_what_reaches_beyond,
        ],
        answers: &[
            (
                "mydocker",
                &[],
                checks![
                    refuses_a_folder_as_standard_input,
                    refuses_a_volume_without_effect,
                    keeps_what_a_mount_forbids,
                    takes_along_what_is_mounted_below,
                    refuses_a_user_that_cannot_be,
                    refuses_what_an_option_cannot_mean,
                    does_not_blame_the_command,
                    says_that_memory_is_short,
                    runs_what_other_tools_make,
                    ends_while_it_unpacks
                ],
            ),
            (
                "mydocker",
                &["--verbose"],
                checks![ends_as_the_command_if_nobody_can_be_told],
            ),
            (
                "mydocker",
                &["--overlay"],
                checks![keeps_what_the_image_has],
            ),
            (
                "mydocker",
                &["--rootless"],
                checks![says_that_it_has_to_be_readable],
            ),
            (
                "mydocker",
                &["--rootless", "--overlay"],
                checks![deletes_a_folder_without_root],
            ),
            ("bridge", &[], checks![leaves_what_is_somebody_elses]),
            ("capabilities", &[], checks![refuses_a_user_that_cannot_be]),
            (
                "image",
                &[],
                checks![runs_what_other_tools_make, ends_while_it_unpacks],
            ),
        ],
        wrong: &[
            ("memory-after-the-start", "memory::kills_a_greedy_process"),
            ("memory-with-swap", "memory::allows_no_swap"),
            (
                "born-in-cgroup-joins-first",
                "born-in-cgroup::is_born_in_its_cgroup",
            ),
            (
                "capabilities-unbounded",
                "capabilities::root_has_no_more_than_docker_gives",
            ),
            (
                "capabilities-of-the-groups",
                "capabilities::becomes_the_user",
            ),
            (
                "bridge-removed-by-the-first",
                "bridge::leaves_the_bridge_to_the_others",
            ),
            (
                "bridge-new-hardware",
                "bridge::reaches_who_has_an_old_address_now",
            ),
            (
                "detach-stays-in-its-session",
                "detach::outlives_its_terminal",
            ),
            (
                "detach-believes-a-pid-file",
                "detach::is_not_deceived_by_pids_that_come_round_again",
            ),
            ("seccomp-without-an-errno", "seccomp::refuses_mount"),
            (
                "image-takes-any-digest",
                "image::refuses_what_has_another_digest",
            ),
            ("pull-starts-over", "pull::goes_on_after_a_cut"),
            (
                "mydocker-eats-the-dashes",
                "mydocker::takes_the_command_line_of_the_third_seed",
            ),
            (
                "mydocker-cgroup-too-early",
                "mydocker::has_a_cgroup_namespace",
            ),
            (
                "mydocker-image-has-the-last-word",
                "mydocker::hears_the_command_line_before_the_image",
            ),
        ],
    })
}

fn has_child_and_the_command_in_its_cgroup(program: &Program) -> Result<()> {
    let running = program.run(&["sleep", "1000"]).start()?;
    let command = program.host.find_process(&["sleep", "1000"])?;
    let cgroup = program.host.cgroup_of(command)?;
    let pids = words(&cgroup, "cgroup.procs");
    let has = |pid: i32| pids.contains(&pid.to_string());
    let holds = pids.len() == 2 && has(command) && !has(running.pid());
    let what = format!("`child` and the command, process {command}, and not `run`");
    expect(holds, what, format_args!("{pids:?}"))
}

fn shares_its_cgroup_with_nobody(program: &Program) -> Result<()> {
    let _one = program.run(&["sleep", "1001"]).start()?;
    let _other = program.run(&["sleep", "1002"]).start()?;
    program.host.find_process(&["sleep", "1001"])?;
    program.host.find_process(&["sleep", "1002"])?;
    let cgroups = program.host.cgroups();
    expect(
        cgroups.len() == 2,
        "two cgroups",
        format_args!("{cgroups:?}"),
    )
}

fn is_not_disturbed_by_a_cgroup_that_sigkill_left(program: &Program) -> Result<()> {
    let running = program.run_shell(STARTED).started()?;
    running.end_with(Signal::SIGKILL)?.exits(137)?;
    program
        .run(&["echo", "hello"])
        .end()?
        .exits(0)?
        .prints("hello")?;
    let cgroups = program.host.cgroups();
    let what = "the cgroup that nobody was left to remove, and no other";
    expect(cgroups.len() == 1, what, format_args!("{cgroups:?}"))
}

fn mydocker_takes_the_hosts_root(program: &Program) -> Result<()> {
    takes_the_hosts_root(&program.answer("mydocker", &[]))?;
    takes_the_hosts_root(&program.answer("mydocker", &["--overlay"]))
}

fn it_and_answers_refuse_a_link_to_mount_on(program: &Program) -> Result<()> {
    for name in &WITH_A_CGROUP[..5] {
        refuses_a_link_to_mount_on(&program.answer(name, &[]), &["proc"])?;
    }
    refuses_a_link_to_mount_on(&program.answer("mydocker", &[]), &["proc", "dev", "tmp"])
}

/// In a PID namespace of its own each of them is PID 1, as PIDs come round again.
fn names_its_cgroup_after_its_pid_and_the_time(program: &Program) -> Result<()> {
    let in_namespace = ["unshare", "--pid", "--fork", "--kill-child"];
    let call = program.run_shell(STARTED);
    let running = call.with_prefix(&in_namespace).started()?;
    running.end_with(Signal::SIGKILL)?;
    let call = program.run(&["true"]).with_prefix(&in_namespace);
    call.end()?.exits(0)?;
    let cgroups = program.host.cgroups();
    let name = cgroups[0].file_name().unwrap_or_default().to_string_lossy();
    let holds = cgroups.len() == 1 && name.starts_with("container-1-");
    let what = "container-1-…, left by SIGKILL";
    expect(holds, what, format_args!("{cgroups:?}"))
}

/// On cgroup v2 a cgroup has the controllers that its parent enables: here at first another,
/// if there is one, or none.
fn gives_its_cgroup_the_controller_that_counts(program: &Program) -> Result<()> {
    let running = program.run(&["sleep", "1000"]).start()?;
    let pid = program.host.find_process(&["sleep", "1000"])?;
    let cgroup = program.host.cgroup_of(pid)?;
    running.end_with(Signal::SIGTERM)?.exits(143)?;
    let control = cgroup.with_file_name("cgroup.subtree_control");
    if control.exists() {
        fs::write(&control, "+memory").ok();
        fs::write(&control, "-pids").context("disable a controller")?;
    }
    program.run(&["true"]).end()?.exits(0)?;
    Ok(())
}

/// On cgroup v2 a user may have been given a part of the tree. They are in a leaf of that, and
/// can write to nothing above it. On version 1 nothing is delegated, which
/// `tells_what_it_takes_to_make_a_cgroup` shows.
fn makes_its_cgroup_where_one_is_delegated(program: &Program) -> Result<()> {
    let top = cgroup::hierarchy("self", "pids")?.parent();
    if !top.join("cgroup.subtree_control").exists() {
        return Ok(());
    }
    let delegated = top.join("delegated");
    let leaf = delegated.join("leaf");
    fs::create_dir_all(&leaf).context("make cgroups")?;
    let names = ["", "cgroup.procs", "cgroup.subtree_control"];
    for file in [&delegated, &leaf]
        .iter()
        .flat_map(|it| names.map(|name| it.join(name)))
    {
        chown(file, Some(1000), Some(1000)).context("delegate a cgroup")?;
    }
    let (_exposed, path) = program.expose()?;
    let rootfs = program.host.expose(&program.rootfs)?;
    let start = |cgroup: &Path| {
        let enter = "echo 0 >$0/cgroup.procs && exec setpriv --reuid=1000 --regid=1000 \
             --clear-groups unshare -r \"$@\"";
        let call = program.run_shell(STARTED).at(path.clone());
        let call = call.with_env("ROOTFS", rootfs.path());
        call.with_prefix(&["sh", "-c", enter, &cgroup.to_string_lossy()])
            .start()
    };
    // A cgroup with processes in it cannot give a controller to its children.
    let ended = start(&delegated)?.end()?;
    ended.exits(125)?.complains(&["holds processes", "xargs"])?;
    let mut running = start(&leaf)?;
    running.wait_for("started")?;
    let command = program.host.find_process(&["sleep", "1000"])?;
    let cgroup = program.host.cgroup_of(command)?;
    let is_there = cgroup.parent() == Some(&delegated);
    expect(
        is_there,
        "a cgroup below the one delegated",
        cgroup.display(),
    )?;
    running.end_with(Signal::SIGTERM)?.exits(143)?;
    Ok(())
}

fn fails_if_the_cap_cannot_be_written(program: &Program) -> Result<()> {
    let (_exposed, path) = program.expose()?;
    let before = program.host.snapshot()?;
    let call = program.run(EXECUTED).with_prefix(&IN_NO_FOLDER_OF_ITS_OWN);
    let ended = call.at(path).end()?;
    has_done_nothing(program, &before, &ended, &["write 20 to", "pids.max"])
}

fn fails_if_child_cannot_join_the_cgroup(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let (running, mut reader) = start_with_a_silent_child(program)?;
    // Nobody has joined it yet.
    for cgroup in program.host.cgroups() {
        fs::remove_dir(cgroup).context("remove a cgroup")?;
    }
    io::copy(&mut reader, &mut io::sink()).context("read standard output")?;
    let ended = running.end()?;
    has_done_nothing(program, &before, &ended, &["write 0 to", "cgroup.procs"])
}

fn tells_what_it_takes_to_make_a_cgroup(program: &Program) -> Result<()> {
    let (_exposed, path) = program.expose()?;
    // Nobody's, and so not even root's without the right to override that.
    let user = [
        "setpriv",
        "--reuid=1000",
        "--regid=1000",
        "--clear-groups",
        "unshare",
        "-r",
    ];
    let call = program.run(EXECUTED).with_prefix(&user).at(path);
    call.end()?.exits(125)?.complains(&["delegated cgroup"])?;
    program.host.make_cgroups_read_only()?;
    let ended = program.run(EXECUTED).end()?;
    ended.exits(125)?.complains(&["--privileged"])?;
    Ok(())
}

/// Starts a container, and makes a cgroup in its cgroup, so that it cannot be removed.
fn start_busy<'a>(program: &'a Program, prefix: &[&str]) -> Result<(Running<'a>, PathBuf)> {
    let call = program.run_shell(STARTED);
    let mut running = call.with_prefix(prefix).started()?;
    let cgroup = program
        .host
        .cgroup_of(program.host.find_process(&["sleep", "1000"])?)?;
    let busy = cgroup.join("busy");
    fs::create_dir(&busy).context("make a cgroup")?;
    running.signal(Signal::SIGTERM)?;
    Ok((running, busy))
}

fn tries_again_to_remove_a_cgroup_that_is_busy(program: &Program) -> Result<()> {
    let (running, busy) = start_busy(program, &[])?;
    until("the end of the container", || {
        program.host.processes() == [running.pid()]
    })?;
    thread::sleep(Duration::from_millis(100));
    fs::remove_dir(busy).context("remove a cgroup")?;
    let ended = running.end()?;
    ended
        .exits(143)?
        .expected("no complaint", ended.stderr.is_empty())?;
    program.host.expect_nothing_left()
}

fn tells_which_cgroup_it_cannot_remove(program: &Program) -> Result<()> {
    let (running, busy) = start_busy(program, &[])?;
    let path = busy
        .parent()
        .unwrap_or(&busy)
        .to_string_lossy()
        .into_owned();
    let ended = running.end()?;
    let words = ["remove the cgroup", &path, "Device or resource busy"];
    ended.exits(143)?.complains(&words)?;
    // And if it cannot tell, its exit status is still the command's.
    start_busy(program, &UNHEARD)?.0.end()?.exits(143)?;
    Ok(())
}

fn mydocker_never_outlives_run(program: &Program) -> Result<()> {
    let calls = [
        "prctl",
        "read",
        "close",
        "fcntl",
        "sethostname",
        "unshare",
        "mount",
        "pivot_root",
    ];
    never_outlives_run(&program.answer("mydocker", &[]), &calls)
}

fn answers_refuse_what_reaches_beyond(program: &Program) -> Result<()> {
    refuses_what_reaches_beyond(&program.answer("seccomp", &[]))?;
    refuses_what_reaches_beyond(&program.answer("mydocker", &["--seccomp"]))
}

/// The step, and the answers that have `cgroup.rs` or their own.
const WITH_A_CGROUP: [&str; 6] = [
    "step08-cgroup",
    "memory",
    "born-in-cgroup",
    "capabilities",
    "seccomp",
    "mydocker",
];

/// Finds where the pids controller is mounted, in a mount namespace that ends with the test.
const POINT: &str = "point=$(findmnt -n -o TARGET -t cgroup -O pids | head -n1)
    [ \"$point\" ] || point=$(findmnt -n -o TARGET -t cgroup2 | head -n1)
    other=$(findmnt -n -o TARGET -t cgroup -O cpuset | head -n1)";

fn makes_nothing_where_the_cgroups_are_covered(program: &Program) -> Result<()> {
    let covers = [
        "mount -t tmpfs none /sys/fs/cgroup; mkdir -p \"$point\"",
        "mount -t tmpfs none \"$point\"",
        "if [ \"$other\" ]; then mount --bind \"$other\" \"$point\"; \
         else mount -t tmpfs none \"$point\"; fi",
    ];
    for (answer, cover) in WITH_A_CGROUP
        .iter()
        .flat_map(|a| covers.map(|cover| (a, cover)))
    {
        let script = format!(
            "{POINT}\n{cover}\n\"$0\" \"$@\" & wait $!; status=$?
            find \"$point\" -name \"container-$!-*\"; exit $status"
        );
        let call = program.run(EXECUTED).at(program.answer(answer, &[]).path);
        let ended = call
            .with_prefix(&["unshare", "-m", "sh", "-c", &script])
            .end()?;
        ended
            .exits(125)?
            .complains(&["none is mounted, or another over it"])?;
        let is_clean =
            !ended.stdout.contains("/container-") && !ended.stdout.contains("\nexecuted");
        ended.expected(
            "no cgroup, no command, and nothing in their place",
            is_clean,
        )?;
    }
    program.host.expect_nothing_left()
}

/// Where it was is covered now; the mount that can be seen has a path of strange bytes.
fn finds_the_cgroups_by_any_name(program: &Program) -> Result<()> {
    let script = format!(
        "{POINT}
        place=$PWD/$(printf 'a b\\tc\\nd\\\\040\\377\\r')
        mkdir -p \"$place\" && mount --bind \"$point\" \"$place\" && mount -t tmpfs none \"$point\" &&
        exec \"$0\" \"$@\""
    );
    // The step alone: of the others, one has to find a second hierarchy.
    let call = program.run_shell("cat /proc/self/cgroup");
    let prefix = ["unshare", "-m", "sh", "-c", &script];
    let running = call.with_prefix(&prefix).start()?;
    let name = format!("/container-{}-", running.pid());
    let ended = running.end()?;
    let holds = ended.stdout.contains(&name);
    ended.exits(0)?.expected("a cgroup of its own", holds)?;
    program.host.expect_nothing_left()
}
