//! After step 6: a root filesystem in layers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use contract::failure::expect;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::check::{Check, checks};
use crate::exercise::overlay::{expect_files, files};
use crate::layer::{Layer, hostile};
use crate::lesson::{
    keeps_a_mount_of_the_command_inside, keeps_its_mounts_inside,
    shows_the_root_filesystem_as_root, starts_in_the_new_root,
};
use crate::patience::until;
use crate::program::{Ended, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    shows_the_root_filesystem_as_root,
    starts_in_the_new_root,
    shows_the_file_of_the_uppermost_layer,
    hides_what_a_layer_has_deleted,
    hides_all_of_a_folder,
    deletes_what_is_not_there,
    takes_a_layer_of_any_name,
    keeps_owners_modes_and_links,
    shares_its_layers,
    keeps_its_mounts_inside,
    keeps_a_mount_of_the_command_inside,
    writes_nothing_outside_of_the_folder,
    makes_no_folder_of_half_a_layer,
    lets_no_other_user_at_a_layer,
];

/// Makes folders of layers, called as the layers are numbered.
fn unpack(program: &Program, layers: Vec<Layer>) -> Result<()> {
    for (number, layer) in layers.into_iter().enumerate() {
        let archive = format!("{number}.tar");
        layer.write(program.host.folder.path(), &archive)?;
        let call = program.call(&["unpack", &archive, &number.to_string()]);
        call.end()?.exits(0)?;
    }
    Ok(())
}

/// Runs a script above the root filesystem and so many layers.
fn run(program: &Program, layers: Vec<Layer>, script: &str) -> Result<Ended> {
    let numbers: Vec<String> = (0..layers.len()).map(|it| it.to_string()).collect();
    unpack(program, layers)?;
    let options = numbers.iter().flat_map(|number| ["--layer", number]);
    let options: Vec<&str> = options.collect();
    program.run_with(&options, &["sh", "-c", script]).end()
}

fn shows_the_file_of_the_uppermost_layer(program: &Program) -> Result<()> {
    let one = Layer::new().file("note", "one\n")?;
    let one = one.file("etc/only", "of the first\n")?;
    let two = Layer::new().file("note", "two\n")?;
    let two = two.file("etc/passwd", "of the second\n")?;
    let script = "cat /note /etc/only /etc/passwd && ls -d /etc/group /root";
    let ended = run(program, vec![one, two], script)?;
    let lines = "two\nof the first\nof the second\n/etc/group\n/root";
    ended.exits(0)?.prints(lines)?;
    Ok(())
}

fn hides_what_a_layer_has_deleted(program: &Program) -> Result<()> {
    let one = Layer::new().file("data/a", "")?.file("data/b", "")?;
    let one = one.folder("old/")?.file("old/file", "")?;
    let two = Layer::new()
        .without("data/", "a")?
        .without("etc/", "group")?;
    let two = two.without("", "old")?;
    // A name that begins so is a word about another, and never a file.
    let script = "ls -A /data && ls -d /etc/group /old /data/.wh.a /.wh.old; ls -A /old /etc | \
                  grep -c '[.]wh[.]\\|^group$'";
    let ended = run(program, vec![one, two], script)?;
    ended.prints("b\n0")?;
    // And what a layer above has made anew is there.
    let three = Layer::new().file("data/a", "again\n")?;
    three.write(program.host.folder.path(), "2.tar")?;
    program.call(&["unpack", "2.tar", "2"]).end()?.exits(0)?;
    let options = ["--layer", "0", "--layer", "1", "--layer", "2"];
    let ended = program.run_with(&options, &["cat", "/data/a"]).end()?;
    ended.exits(0)?.prints("again")?;
    Ok(())
}

fn hides_all_of_a_folder(program: &Program) -> Result<()> {
    let one = Layer::new().file("data/a", "")?.file("data/b/c", "")?;
    let two = Layer::new().without("data/", ".wh..opq")?;
    let two = two.file("data/new", "")?;
    let ended = run(program, vec![one, two], "ls -A /data")?;
    ended.exits(0)?.prints("new")?;
    let holds = !ended.stdout.contains("a\nb");
    ended.expected("nothing of the layer below", holds)?;
    Ok(())
}

fn deletes_what_is_not_there(program: &Program) -> Result<()> {
    let layer = Layer::new().without("", "nothing")?;
    let layer = layer.without("no/such/folder/", "nothing")?;
    let layer = layer.without("none/", ".wh..opq")?;
    let ended = run(program, vec![layer], "test ! -e /nothing && ls -A /no/such")?;
    ended.exits(0)?.prints("folder")?;
    Ok(())
}

/// A colon and a comma mean something in the options of an overlay.
fn takes_a_layer_of_any_name(program: &Program) -> Result<()> {
    let layer = Layer::new().file("note", "one\n")?;
    layer.write(program.host.folder.path(), "0.tar")?;
    for name in ["a:b,c", "-", "two words", "nine\\"] {
        let ended = program.call(&["unpack", "0.tar", name]).end()?;
        ended.exits(0)?;
        let option = format!("--layer={name}");
        let ended = program.run_with(&[&option], &["cat", "/note"]).end()?;
        ended.exits(0)?.prints("one")?;
    }
    Ok(())
}

fn keeps_owners_modes_and_links(program: &Program) -> Result<()> {
    let folder = program.host.folder.path();
    let script = "mkdir -p t/bin && cd t && echo text >file && chown 1000:1001 file && \
                  chmod 4751 file && ln file second && ln -s /file bin/link && \
                  mkdir -m 1777 open && tar -cf ../0.tar .";
    let made = program.call(&["-c", script]).at("/bin/sh".into()).end()?;
    made.exits(0)?;
    let ended = program.call(&["unpack", "0.tar", "0"]).end()?;
    ended.exits(0)?;
    // The last one is a path that begins at the root, and is good inside.
    let script = "stat -c '%a %u %g %h' /file && stat -c %a /open && test /file -ef /second && \
                  cat /bin/link";
    let call = program.run_with(&["--layer", "0"], &["sh", "-c", script]);
    let ended = call.end()?;
    ended.exits(0)?.prints("4751 1000 1001 2\n1777\ntext")?;
    expect(folder.join("0").is_dir(), "a folder 0", "none")
}

fn shares_its_layers(program: &Program) -> Result<()> {
    let layer = Layer::new().file("note", "old\n")?.file("data/a", "")?;
    unpack(program, vec![layer])?;
    let folder = program.host.folder.path().join("0");
    let before = files(&folder)?;
    let script = "trap 'cat /note; exit 0' TERM; rm -r /data; echo one >/note; echo written; \
                  while :; do sleep 0.01; done";
    let call = program.run_with(&["--layer", "0"], &["sh", "-c", script]);
    let mut one = call.start()?;
    one.wait_for("written")?;
    let script = "cat /note && ls /data && echo two >/note";
    let call = program.run_with(&["--layer", "0"], &["sh", "-c", script]);
    call.end()?.exits(0)?.prints("old\na")?;
    one.signal(Signal::SIGTERM)?;
    one.end()?.exits(0)?.prints("one")?;
    expect_files(&folder, &before)
}

/// All that is in the working directory, but for a folder.
fn beside(program: &Program, folder: &str) -> Result<BTreeMap<PathBuf, String>> {
    let top = program.host.folder.path();
    let found = files(top)?.into_iter();
    let found = found.filter(|(path, _)| !path.starts_with(top.join(folder)) && path != top);
    Ok(found
        .map(|(path, state)| (path, format!("{state:?}")))
        .collect())
}

fn writes_nothing_outside_of_the_folder(program: &Program) -> Result<()> {
    let top = program.host.folder.path();
    fs::create_dir(top.join("in")).context("make a folder")?;
    fs::write(top.join("in/victim"), "as it was").context("write a file")?;
    fs::write(top.join("victim"), "as it was").context("write a file")?;
    for (words, layer) in hostile()? {
        layer.write(top, "0.tar")?;
        let before = beside(program, "nothing")?;
        let ended = program.call(&["unpack", "0.tar", "in/it"]).end()?;
        ended.exits(125)?.complains(&[words])?.does_not_panic()?;
        let now = beside(program, "nothing")?;
        let mut all = before.keys().chain(now.keys());
        let is_changed = |path: &&PathBuf| {
            let is_folder = **path == top.join("in");
            !is_folder && before.get(*path) != now.get(*path)
        };
        let changed = all.find(is_changed);
        ended.expected(
            &format!("nothing written, and no folder in/it, but {changed:?} has changed"),
            changed.is_none(),
        )?;
    }
    expect(
        !Path::new("/tmp/reached").exists(),
        "no /tmp/reached",
        "one",
    )
}

fn makes_no_folder_of_half_a_layer(program: &Program) -> Result<()> {
    let top = program.host.folder.path();
    let small = top.join("small");
    fs::create_dir(&small).context("make a folder")?;
    program.host.mount_tmpfs(&small, "1m")?;
    let big = Layer::new()
        .file("small", "")?
        .file("big", &"x".repeat(2 << 20))?;
    big.write(top, "big.tar")?;
    let ended = program.call(&["unpack", "big.tar", "small/it"]).end()?;
    ended.exits(125)?.complains(&["No space left on device"])?;
    let whole = Layer::new()
        .file("a", &"x".repeat(1000))?
        .file("b", "")?
        .bytes()?;
    fs::write(top.join("cut.tar"), &whole[..1000]).context("write a file")?;
    fs::write(top.join("text.tar"), "x".repeat(2000)).context("write a file")?;
    for archive in ["cut.tar", "text.tar", "missing.tar"] {
        let ended = program.call(&["unpack", archive, "small/it"]).end()?;
        ended.exits(125)?.does_not_panic()?;
        let left = fs::read_dir(&small).context("list a folder")?.next();
        ended.expected("nothing left in the folder", left.is_none())?;
    }
    // One that comes slowly, and whoever waits for it loses patience.
    let pipe = top.join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).context("make a FIFO")?;
    let both = File::options().read(true).write(true).open(&pipe);
    let mut writer = both.context("open a FIFO")?;
    writer
        .write_all(&whole[..1000])
        .context("write to a FIFO")?;
    let running = program.call(&["unpack", "pipe", "small/it"]).start()?;
    until("a folder that grows", || {
        fs::read_dir(&small).is_ok_and(|mut entries| entries.next().is_some())
    })?;
    running.end_with(Signal::SIGTERM)?.exits(143)?;
    let holds = !small.join("it").exists();
    expect(holds, "no folder after SIGTERM", "one")
}

/// A setuid program of a layer is for the container alone.
fn lets_no_other_user_at_a_layer(program: &Program) -> Result<()> {
    let layer = Layer::new().folder("./")?.file("./note", "")?;
    unpack(program, vec![layer])?;
    let user = "setpriv --reuid=1000 --regid=1000 --clear-groups ls 0";
    let words: Vec<&str> = user.split(' ').collect();
    let call = program.call(&words[1..]).at(words[0].into());
    let ended = call.end()?;
    ended.fails()?.complains(&["Permission denied"])?;
    Ok(())
}
