//! After step 8: an image, as registries and `docker save` have it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use contract::failure::expect;
use serde_json::{Value, json};
use tar::EntryType;

use crate::check::{Check, checks};
use crate::exercise::overlay::{expect_files, files};
use crate::image::{Layout, architectures, base, docker_save};
use crate::layer::{Layer, hostile};
use crate::lesson::{has_a_cgroup_for_each_container, is_in_a_cgroup_with_a_cap_of_20};
use crate::program::{Call, EXECUTED, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    runs_what_the_image_says,
    runs_other_words_in_the_image,
    has_the_environment_of_the_image,
    starts_in_its_folder,
    is_the_user_of_the_image,
    applies_its_layers_in_order,
    has_a_proc_and_devices,
    takes_the_image_of_this_processor,
    takes_what_docker_save_writes,
    leaves_the_image_as_it_was,
    refuses_what_has_another_digest,
    refuses_what_is_missing_or_unknown,
    writes_nothing_outside_of_the_image,
    is_in_a_cgroup_with_a_cap_of_20,
    has_a_cgroup_for_each_container,
];

/// Makes an image called `image`, with layers above one that has a shell.
pub fn make(program: &Program, layers: Vec<Layer>, config: &Value) -> Result<Layout> {
    let layers = layers.into_iter().map(Layer::bytes);
    let layers = [base(&program.rootfs)].into_iter().chain(layers);
    let folder = program.host.folder.path().join("image");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("delete an image")?;
    }
    Layout::make(folder, &layers.collect::<Result<Vec<_>>>()?, config)
}

/// `PROGRAM run --image image WORDS...`
fn run<'a>(program: &'a Program, words: &[&str]) -> Call<'a> {
    program.run_with(&["--image", "image"], words)
}

fn runs_what_the_image_says(program: &Program) -> Result<()> {
    make(program, vec![], &json!({"Cmd": ["echo", "hello", "image"]}))?;
    run(program, &[]).end()?.exits(0)?.prints("hello image")?;
    make(
        program,
        vec![],
        &json!({"Entrypoint": ["sh", "-c", "exit 7"]}),
    )?;
    run(program, &[]).end()?.exits(7)?;
    let both = json!({"Entrypoint": ["echo", "entrypoint"], "Cmd": ["cmd"]});
    make(program, vec![], &both)?;
    run(program, &[])
        .end()?
        .exits(0)?
        .prints("entrypoint cmd")?;
    make(program, vec![], &json!({}))?;
    let ended = run(program, &[]).end()?;
    ended
        .exits(125)?
        .does_not_panic()?
        .complains(&["command"])?;
    program.host.expect_nothing_left()
}

/// They take the place of `Cmd`, and not of `Entrypoint`.
fn runs_other_words_in_the_image(program: &Program) -> Result<()> {
    make(program, vec![], &json!({"Cmd": ["echo", "cmd"]}))?;
    let ended = run(program, &["echo", "ours"]).end()?;
    ended.exits(0)?.prints("ours")?;
    let both = json!({"Entrypoint": ["echo", "entrypoint"], "Cmd": ["cmd"]});
    make(program, vec![], &both)?;
    let ended = run(program, &["--", "ours", "--image"]).end()?;
    ended.exits(0)?.prints("entrypoint ours --image")?;
    run(program, &["--colour"]).end()?.is_wrong_usage()?;
    make(program, vec![], &json!({}))?;
    run(program, &["no-such-command"]).end()?.exits(127)?;
    Ok(())
}

fn has_the_environment_of_the_image(program: &Program) -> Result<()> {
    let env = ["COLOUR=blue", "EMPTY=", "TWO=a=b", "PATH=/nowhere:/usr/bin"];
    make(program, vec![], &json!({"Env": env, "Cmd": ["env"]}))?;
    let call = run(program, &[]).with_env("SECRET", "of the caller");
    let ended = call.end()?;
    ended.exits(0)?;
    for variable in env {
        ended.prints(variable)?;
    }
    let holds = !ended.stdout.contains("SECRET");
    ended.expected("nothing of the caller's environment", holds)?;
    // A shell needs to know where programs are, also if the image does not say it.
    make(
        program,
        vec![],
        &json!({"Cmd": ["sh", "-c", "env && echo $HOME"]}),
    )?;
    let ended = run(program, &[]).end()?;
    let holds = ended.line_with("PATH=").contains("/usr/bin");
    ended.exits(0)?.expected("a PATH with /usr/bin", holds)?;
    ended.prints("/root")?;
    Ok(())
}

fn starts_in_its_folder(program: &Program) -> Result<()> {
    make(
        program,
        vec![],
        &json!({"WorkingDir": "/root", "Cmd": ["pwd"]}),
    )?;
    run(program, &[]).end()?.exits(0)?.prints("/root")?;
    // Docker makes it.
    make(
        program,
        vec![],
        &json!({"WorkingDir": "/made/anew", "Cmd": ["pwd"]}),
    )?;
    run(program, &[]).end()?.exits(0)?.prints("/made/anew")?;
    make(program, vec![], &json!({"Cmd": ["pwd"]}))?;
    run(program, &[]).end()?.exits(0)?.prints("/")?;
    // It is one of the image, wherever it seems to lead.
    let config = json!({"WorkingDir": "../../../root", "Cmd": ["pwd"]});
    make(program, vec![], &config)?;
    run(program, &[]).end()?.exits(0)?.prints("/root")?;
    Ok(())
}

fn is_the_user_of_the_image(program: &Program) -> Result<()> {
    let script = "echo $(id -u) $(id -g) $(id -G) $HOME";
    let people = || {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1001::/home/user:/bin/sh\n";
        let layer = Layer::new().file("etc/passwd", passwd)?;
        layer.file("etc/group", "root:x:0:\nstaff:x:50:\n")
    };
    for (user, line) in [
        ("", "0 0 0 /root"),
        ("user", "1000 1001 1001 /home/user"),
        ("1000", "1000 1001 1001 /home/user"),
        ("user:staff", "1000 50 50 /home/user"),
        ("1234:2345", "1234 2345 2345 /"),
        ("1234", "1234 0 0 /"),
    ] {
        let config = json!({"User": user, "Cmd": ["sh", "-c", script]});
        make(program, vec![people()?], &config)?;
        run(program, &[]).end()?.exits(0)?.prints(line)?;
    }
    for user in ["nobody-here", "user:nobody-here", "-1", "4294967296"] {
        make(program, vec![people()?], &json!({"User": user}))?;
        let ended = run(program, EXECUTED).end()?;
        ended.exits(125)?.does_not_panic()?.has_executed_nothing()?;
        ended.complains(&[user.trim_start_matches("user:")])?;
    }
    Ok(())
}

fn applies_its_layers_in_order(program: &Program) -> Result<()> {
    let one = Layer::new()
        .file("note", "one\n")?
        .file("only", "of the first\n")?;
    let one = one
        .file("gone", "")?
        .file("data/a", "")?
        .file("data/b/c", "")?;
    let one = one
        .file("folder/file", "")?
        .file("file", "")?
        .link("link", "/etc/passwd")?;
    let one = one.folder("again")?.file("again/old", "")?;
    let two = Layer::new().file("note", "two\n")?.without("", "gone")?;
    let two = two
        .without("no/such/", "file")?
        .without("none/", ".wh..opq")?;
    // What a folder gets anew may also stand in front of what deletes the old.
    let two = two.file("data/new", "")?.without("data/", ".wh..opq")?;
    let two = two
        .file("folder", "a file now\n")?
        .folder("file")?
        .file("file/now", "in a folder\n")?;
    let two = two
        .file("link", "no link\n")?
        .without("", "again")?
        .file("again/new", "")?;
    make(program, vec![one, two], &json!({}))?;
    let script = "cat /note /only /folder /file/now /link && ls -A /data /again && \
                  test ! -e /gone && cat /etc/passwd | { read -r line && echo ${line%%:*}; }";
    let ended = run(program, &["sh", "-c", script]).end()?;
    let lines = "two\nof the first\na file now\nin a folder\nno link\n\
                 /again:\nnew\n\n/data:\nnew\nroot";
    ended.exits(0)?.prints(lines)?;
    let ended = run(program, &["ls", "-A", "/"]).end()?;
    let holds = !ended.stdout.contains(".wh.");
    ended.exits(0)?.expected("no file called .wh.…", holds)?;
    Ok(())
}

/// An image brings neither.
fn has_a_proc_and_devices(program: &Program) -> Result<()> {
    make(program, vec![], &json!({}))?;
    let script = "echo >/dev/null && test -c /dev/null && test -e /proc/self/stat && \
                  cd /proc && echo [0-9]*";
    let ended = run(program, &["sh", "-c", script]).end()?;
    let last = ended.stdout.lines().last().unwrap_or_default();
    let holds = last.starts_with('1') && last.split(' ').count() <= 3;
    ended
        .exits(0)?
        .expected("/dev/null, and a /proc of its own", holds)?;
    Ok(())
}

fn takes_the_image_of_this_processor(program: &Program) -> Result<()> {
    let layout = Layout::at(program.host.folder.path().join("image"))?;
    let base = layout.add_layer(&base(&program.rootfs)?)?;
    let [ours, other] = architectures();
    let image = |architecture: &str, os: &str, says: &str| {
        let manifest =
            layout.add_manifest(std::slice::from_ref(&base), &json!({"Cmd": ["echo", says]}));
        let mut manifest = manifest?;
        manifest["platform"] = json!({"architecture": architecture, "os": os});
        anyhow::Ok(manifest)
    };
    let images = [
        image(other, "linux", "another processor")?,
        image(ours, "windows", "another kernel")?,
        image("unknown", "unknown", "no image")?,
        image(ours, "linux", "this one")?,
    ];
    layout.write_index(&images)?;
    run(program, &[]).end()?.exits(0)?.prints("this one")?;
    // Registries have an index of their own, which the first one names.
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "manifests": images});
    layout.write_index(&[layout.add_json(kind, &index)?])?;
    run(program, &[]).end()?.exits(0)?.prints("this one")?;
    layout.write_index(&images[..3])?;
    let ended = run(program, &[]).end()?;
    ended.exits(125)?.complains(&[ours])?.does_not_panic()?;
    Ok(())
}

fn takes_what_docker_save_writes(program: &Program) -> Result<()> {
    let top = program.host.folder.path();
    let layer = Layer::new().file("note", "of the second\n")?.bytes()?;
    let layers = [base(&program.rootfs)?, layer];
    docker_save(
        &top.join("saved.tar"),
        &layers,
        &json!({"Cmd": ["cat", "/note"]}),
    )?;
    let call = program.run_with(&["--image", "saved.tar"], &[]);
    call.end()?.exits(0)?.prints("of the second")?;
    let script = "mkdir image && tar -C image -xf saved.tar";
    program
        .call(&["-c", script])
        .at("/bin/sh".into())
        .end()?
        .exits(0)?;
    run(program, &[]).end()?.exits(0)?.prints("of the second")?;
    Ok(())
}

fn leaves_the_image_as_it_was(program: &Program) -> Result<()> {
    let layout = make(
        program,
        vec![Layer::new().file("note", "old\n")?],
        &json!({}),
    )?;
    let before = files(&layout.path(""))?;
    let host = program.host.snapshot()?;
    let script = "cat /note && echo new >/note && rm -r /etc && echo written";
    for _ in 0..2 {
        let ended = run(program, &["sh", "-c", script]).end()?;
        ended.exits(0)?.prints("old\nwritten")?;
    }
    expect_files(&layout.path(""), &before)?;
    program.host.expect_nothing_left()?;
    program.host.expect_unchanged(&host)
}

/// Fails unless the image is refused with these words, and leaves nothing.
fn refuses(program: &Program, words: &[&str]) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = run(program, EXECUTED).end()?;
    ended.exits(125)?.does_not_panic()?.complains(words)?;
    ended.has_executed_nothing()?;
    program.host.expect_nothing_left()?;
    program.host.expect_unchanged(&before)
}

fn refuses_what_has_another_digest(program: &Program) -> Result<()> {
    let layout = make(program, vec![], &json!({}))?;
    let folder = layout.path("blobs/sha256");
    let blobs = fs::read_dir(folder).context("list a folder")?;
    let blobs = blobs.map(|blob| Ok(blob?.path()));
    for blob in blobs.collect::<Result<Vec<_>>>()? {
        let good = fs::read(&blob).context("read a blob")?;
        // One bit of a letter, or of the time in a compressed layer's head: it can all be read.
        let mut bad = good.clone();
        match bad.starts_with(&[0x1f, 0x8b]) {
            true => bad[4] ^= 1,
            false => bad.insert(1, b' '),
        }
        fs::write(&blob, bad).context("damage a blob")?;
        let name = blob.file_name().unwrap_or_default().to_string_lossy();
        refuses(program, &["digest", &name])?;
        fs::write(&blob, good).context("mend a blob")?;
    }
    // What is in a layer has a name of its own, by which the config knows it.
    let (layer, _) = layout.add_layer(&base(&program.rootfs)?)?;
    let other = crate::image::digest(b"another layer");
    let manifest = layout.add_manifest(&[(layer, other.clone())], &json!({}))?;
    layout.write_index(&[manifest])?;
    refuses(program, &["digest", &other])
}

fn refuses_what_is_missing_or_unknown(program: &Program) -> Result<()> {
    let layout = make(program, vec![], &json!({}))?;
    let base = layout.add_layer(&base(&program.rootfs)?)?;
    let image = |layer: (Value, String)| {
        layout.write_index(&[layout.add_manifest(&[base.clone(), layer], &json!({}))?])
    };
    let empty = Layer::new().bytes()?;
    let (gone, id) = layout.add_layer(&empty)?;
    fs::remove_file(layout.blob_path(&gone)).context("delete a layer")?;
    image((gone.clone(), id))?;
    let name = gone["digest"]
        .as_str()
        .unwrap_or_default()
        .replace("sha256:", "");
    refuses(program, &[&name])?;
    // How these begin tells what they are, and so does what names them.
    for (name, start) in [
        ("zstd", &[0x28, 0xb5, 0x2f, 0xfd][..]),
        ("xz", b"\xfd7zXZ\0"),
    ] {
        let kind = format!("application/vnd.oci.image.layer.v1.tar+{name}");
        let bytes = [start, &[0; 600]].concat();
        image((layout.add(&kind, &bytes)?, crate::image::digest(&empty)))?;
        refuses(program, &[name])?;
    }
    // A name is no path.
    for digest in [
        "sha256:../../../secret",
        "sha256:",
        "../secret",
        "sha512:00",
        "/etc/passwd",
    ] {
        let mut layer = layout.add_layer(&empty)?;
        layer.0["digest"] = json!(digest);
        image(layer)?;
        refuses(program, &[])?;
    }
    for index in [
        "",
        "{}",
        "[",
        "{\"manifests\": [{}]}",
        "{\"manifests\": []}",
    ] {
        fs::write(layout.path("index.json"), index).context("write an index")?;
        refuses(program, &[])?;
    }
    fs::remove_file(layout.path("index.json")).context("delete an index")?;
    refuses(program, &["index.json"])?;
    fs::remove_dir_all(layout.path("")).context("delete an image")?;
    refuses(program, &["No such file or directory"])
}

fn writes_nothing_outside_of_the_image(program: &Program) -> Result<()> {
    let top = program.host.folder.path();
    fs::write(top.join("victim"), "as it was").context("write a file")?;
    for (words, layer) in hostile()? {
        make(program, vec![layer], &json!({}))?;
        let before = files(top)?;
        refuses(program, &[words])?;
        expect_files(top, &before)?;
    }
    // A link of one layer, and a file of the next that goes through it.
    let one = Layer::new().link("out", &top.to_string_lossy())?;
    let two = Layer::new().entry(EntryType::Regular, "out/reached", "", b"here")?;
    make(program, vec![one, two], &json!({}))?;
    let before = files(top)?;
    refuses(program, &["out/reached"])?;
    expect_files(top, &before)?;
    expect(
        !Path::new("/tmp/reached").exists(),
        "no /tmp/reached",
        "one",
    )?;
    // By itself a link may lead anywhere: inside, it leads to the container's own.
    let layer = Layer::new()
        .link("passwd", "/etc/passwd")?
        .link("up", "../../../..")?;
    make(program, vec![layer], &json!({}))?;
    let script = "cat /passwd >/dev/null && ls /up | { read -r first && echo $first; }";
    let ended = run(program, &["sh", "-c", script]).end()?;
    ended.exits(0)?.prints("bin")?;
    Ok(())
}
