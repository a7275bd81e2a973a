//! After step 8: all of it in one.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use serde_json::json;

use crate::check::{Check, checks};
use crate::exercise::bridge::{PUBLISH, publishes};
use crate::exercise::image::make as make_image;
use crate::exercise::named::id;
use crate::exercise::overlay::{expect_files, files};
use crate::exercise::volume::make_folder;
use crate::layer::Layer;
use crate::program::Program;

/// What a right answer passes. All that the steps promise, and its parts, is asked too.
pub const CHECKS: &[Check] = checks![
    takes_the_command_line_of_the_third_seed,
    has_a_cgroup_namespace,
    does_all_of_it_at_once,
    keeps_a_link_that_goes_up_inside,
    hears_the_command_line_before_the_image,
    runs_an_image_with_all_of_it,
    publishes_a_port_of_an_image,
    refuses_what_is_no_option,
];

/// Word for word, as its README has it.
const SEED: &[&str] = &["--action", "run", "--name", "--", "/bin/sh"];

fn takes_the_command_line_of_the_third_seed(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let call = program.call(SEED).with_input("hostname\necho $0\nexit 3\n");
    let ended = call.end()?;
    let id = id(ended.exits(3)?)?;
    let lines: Vec<&str> = ended.stdout.lines().rev().take(2).collect();
    let holds = lines == ["/bin/sh", id] || lines == ["/bin/sh", &id[..12]];
    ended.expected(
        "the ID, or its first 12 characters, as hostname of /bin/sh",
        holds,
    )?;
    program.host.expect_nothing_left()?;
    program.host.expect_unchanged(&before)
}

fn has_a_cgroup_namespace(program: &Program) -> Result<()> {
    let outside = program.host.namespace("cgroup")?;
    let call = program.run(&["readlink", "/proc/self/ns/cgroup"]);
    let ended = call.end()?;
    let what = format!("another cgroup namespace than the host's {outside}");
    let seen = ended.line_with("cgroup:[");
    let holds = !seen.is_empty() && seen != outside;
    ended.exits(0)?.expected(&what, holds)?;
    // Its own cgroup is the top of what it sees, in each hierarchy.
    let ended = program.run(&["cat", "/proc/self/cgroup"]).end()?;
    let mut lines = ended.stdout.lines().filter(|line| line.contains(':'));
    let holds = lines.all(|line| line.ends_with(":/"));
    ended
        .exits(0)?
        .expected("/ as the cgroup in each line of /proc/self/cgroup", holds)?;
    Ok(())
}

/// All options that go together.
const OPTIONS: &[&str] = &[
    "--name",
    "web",
    "--pid-file",
    "pid",
    "--env",
    "COLOUR=blue",
    "--workdir",
    "/root",
    "--user",
    "1000",
    "--overlay",
    "--volume",
    "folder:/root",
    "--cap-drop",
    "ALL",
    "--cap-add",
    "CHOWN",
    "--seccomp",
    "--verbose",
];

fn does_all_of_it_at_once(program: &Program) -> Result<()> {
    make_folder(program, "folder")?;
    let script = "hostname && id -u && echo $COLOUR && pwd && cat old && echo >/dev/null && \
                  ! mount -t tmpfs none /tmp 2>/dev/null && \
                  read -r line </proc/self/cgroup && test ${line##*:} = / && echo \"all of it\"";
    let call = program.run_with(OPTIONS, &["sh", "-c", script]);
    let ended = call.end()?;
    ended
        .exits(0)?
        .prints("web\n1000\nblue\n/root\nfrom the host's folder\nall of it")?;
    let pid = fs::read_to_string(program.host.folder.path().join("pid")).unwrap_or_default();
    let holds = pid.trim_end().parse::<u32>().is_ok();
    ended.expected("a PID in the file that --pid-file names", holds)?;
    program.host.expect_nothing_left()
}

/// `pivot-root` and `volume` together. In the root, `..` leads to the root itself; but not as
/// long as the old one lies on top of it.
fn keeps_a_link_that_goes_up_inside(program: &Program) -> Result<()> {
    make_folder(program, "folder")?;
    let rootfs = program.make_rootfs(&[])?;
    fs::create_dir(rootfs.join("only-inside")).context("make a folder")?;
    symlink("../only-inside", rootfs.join("link")).context("make a link")?;
    let options = ["--volume", "folder:/link"];
    let call = program.run_with(&options, &["cat", "/only-inside/old"]);
    let ended = call.with_env("ROOTFS", rootfs).end()?;
    ended.exits(0)?.prints("from the host's folder")?;
    Ok(())
}

/// The image says what the command line leaves open.
fn hears_the_command_line_before_the_image(program: &Program) -> Result<()> {
    let config = json!({
        "Env": ["COLOUR=red", "SIZE=large"], "WorkingDir": "/nowhere", "User": "nobody-here",
    });
    make_image(program, vec![], &config)?;
    let image = ["--image", "image"];
    let ours = [
        "--env",
        "COLOUR=blue",
        "--workdir",
        "/root",
        "--user",
        "1000",
    ];
    let script = "echo $COLOUR $SIZE $(pwd) $(id -u)";
    let call = program.run_with(&[&image[..], &ours].concat(), &["sh", "-c", script]);
    call.end()?.exits(0)?.prints("blue large /root 1000")?;
    Ok(())
}

fn runs_an_image_with_all_of_it(program: &Program) -> Result<()> {
    make_folder(program, "folder")?;
    let layer = Layer::new().file("note", "of the image\n")?;
    let passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1234:1234::/home/user:/bin/sh\n";
    let layer = layer.file("etc/passwd", passwd)?;
    let script = "echo $(id -u) $(pwd) $COLOUR $HOME";
    let config = json!({
        "Env": ["COLOUR=red"], "User": "user", "WorkingDir": "/made/anew",
        "Cmd": ["sh", "-c", script],
    });
    let image = make_image(program, vec![layer], &config)?;
    let before = files(&image.path(""))?;
    let limits = ["--image", "image", "--cap-drop", "ALL", "--seccomp"];
    let ended = program.run_with(&limits, &[]).end()?;
    ended.exits(0)?.prints("1234 /made/anew red /home/user")?;
    let options: Vec<&str> = [&["--image", "image"], OPTIONS].concat();
    let script = "cat old /note && echo >/dev/null && echo \"all of it\"";
    let ended = program.run_with(&options, &["sh", "-c", script]).end()?;
    let lines = "from the host's folder\nof the image\nall of it";
    ended.exits(0)?.prints(lines)?;
    expect_files(&image.path(""), &before)?;
    program.host.expect_nothing_left()
}

fn publishes_a_port_of_an_image(program: &Program) -> Result<()> {
    make_image(program, vec![], &json!({"Cmd": ["sleep", "1070"]}))?;
    let options = [&["--image", "image", "--network", "bridge"], PUBLISH].concat();
    publishes(program, &options, &[], "1070")
}

fn refuses_what_is_no_option(program: &Program) -> Result<()> {
    for args in [
        &["--action"][..],
        &["--action", "walk", "--", "echo", "executed"],
        &["run", "--colour", "blue", "echo", "executed"],
        &["run", "--cap-drop", "EVERYTHING", "echo", "executed"],
        &["run", "--overlay=yes", "echo", "executed"],
        &["run", "--image"],
        &["run", "--image", "image", "--host-root", "echo", "executed"],
        &["run", "--image", "image", "--rootless", "echo", "executed"],
        &["run", "--volume=.:/tmp", "--"],
    ] {
        program.call(args).end()?.is_wrong_usage()?;
    }
    Ok(())
}
