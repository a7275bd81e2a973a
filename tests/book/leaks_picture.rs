//! The picture `leaks.svg`: what the eight steps, and four tools beside them, still share with
//! the host. [`columns`] asks `leaks`, as root, and [`draw`] draws the answers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use course::STEPS;
use serde_json::{Value, json};

use crate::sources::read;

/// A container: its name, and for each thing, by name, one of the [`ANSWERS`].
pub type Column = (String, Vec<(String, String)>);

/// What `leaks` answers: in step 1 there is no container, and so no such thing.
const ANSWERS: [&str; 4] = ["own", "shared", "none", "unknown"];

/// What a shell reads behind `leaks --plain`. The tools are asked for all that they can keep
/// apart by one option for each, and no more: none has a limit on processes unless it is given
/// one.
const TOOLS: [(&str, &str); 4] = [
    (
        "unshare",
        r#"unshare --uts --ipc --net --pid --mount --cgroup --time --user --map-root-user \
           --fork --mount-proc="$ROOTFS/proc" chroot "$ROOTFS""#,
    ),
    (
        "bubblewrap",
        r#"bwrap --unshare-all --hostname container --bind "$ROOTFS" / --proc /proc --dev /dev"#,
    ),
    (
        "crun",
        r#"--stdin crun run --bundle "$BUNDLE" leaks-picture"#,
    ),
    (
        "runc",
        r#"--stdin runc run --bundle "$BUNDLE" leaks-picture"#,
    ),
];

/// Where a hybrid host mounts cgroups of version 2, crun refuses to work.
const BEFORE: &str = r#"
PATH=$PROGRAMS:$PATH
if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi"#;

/// Asks `leaks` about each container. `programs` is the folder with our programs.
pub fn columns(programs: &Path, rootfs: &Path) -> Result<Vec<Column>> {
    let rootfs = fs::canonicalize(rootfs).context("find the root filesystem")?;
    let steps = (1..)
        .zip(STEPS)
        .map(|(number, step): (u8, _)| (number.to_string(), format!("{step} run")));
    let tools = TOOLS.map(|(name, words)| (name.to_owned(), words.to_owned()));
    let columns = steps.chain(tools).map(|(name, words)| {
        let bundle = tempfile::tempdir().context("make a folder for a bundle")?;
        let bundle = bundle.path();
        let is_bundle = words.contains("BUNDLE");
        if is_bundle {
            write_bundle(&name, bundle, &rootfs)?;
            clear(&name);
        }
        let text = run(Command::new("unshare")
            .args(["--mount", "sh", "-c"])
            .arg(format!("{BEFORE}\nexec leaks --plain {words}"))
            .envs([
                ("PROGRAMS", programs),
                ("ROOTFS", &rootfs),
                ("BUNDLE", bundle),
            ]));
        if is_bundle {
            clear(&name);
        }
        let answers = text.and_then(|text| text.lines().map(answer).collect());
        let answers = answers.with_context(|| format!("ask leaks about {name}"))?;
        Ok((name, answers))
    });
    columns.collect()
}

/// A runtime starts what is in a bundle, a folder with a config.json: here what its own `spec`
/// writes, with a shell that reads its standard input, and a cgroup namespace, which `spec`
/// adds only where cgroups are of version 2.
fn write_bundle(runtime: &str, bundle: &Path, rootfs: &Path) -> Result<()> {
    run(Command::new(runtime).args(["spec", "--bundle"]).arg(bundle))?;
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_str(&read(&path)?).context("parse config.json")?;
    config["process"]["terminal"] = json!(false);
    config["root"]["path"] = json!(rootfs);
    let namespaces = config["linux"]["namespaces"].as_array_mut();
    let namespaces = namespaces.context("find the namespaces in config.json")?;
    namespaces.retain(|namespace| namespace["type"] != "cgroup");
    namespaces.push(json!({ "type": "cgroup" }));
    fs::write(&path, config.to_string()).context("write config.json")
}

/// A runtime that was killed leaves state in /run, and a cgroup.
fn clear(runtime: &str) {
    let mut delete = Command::new(runtime);
    delete
        .args(["delete", "--force", "leaks-picture"])
        .output()
        .ok();
}

/// A line of the table: the name of a thing, the answer, and why.
fn answer(line: &str) -> Result<(String, String)> {
    let mut fields = line.split('\t');
    let (name, answer) = fields.next().zip(fields.next()).unwrap_or_default();
    ensure!(ANSWERS.contains(&answer), "leaks does not answer {line:?}");
    Ok((name.to_owned(), answer.to_owned()))
}

fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("execute {program} (`apt-get install bubblewrap crun runc util-linux` brings it)")
    })?;
    let (status, errors) = (output.status, String::from_utf8_lossy(&output.stderr));
    ensure!(
        status.success(),
        "{program} failed ({status}): {}",
        errors.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Units of the picture, which is as wide as a phone: the columns begin at `LEFT`, and the
/// rows at `TOP`. The steps, which count their columns, and the tools stand `GAP` apart.
const WIDTH: usize = 360;
const LEFT: usize = 104;
const TOP: usize = 92;
const COLUMN: usize = 20;
const ROW: usize = 24;
const GAP: usize = 6;

/// Like the other pictures it has a light ground of its own, and so fits every theme.
const STYLE: &str = "<style>
.leaks { font: 13px sans-serif; fill: #222222 }
.leaks .ground { fill: #f6f6f4; stroke: #d4d4ce }
.leaks .band { fill: #eaeae6 }
.leaks .name { text-anchor: end }
.leaks .number { text-anchor: middle }
</style>
<defs>
<circle id=\"leaks-own\" r=\"7\" fill=\"#b7410e\"/>
<circle id=\"leaks-shared\" r=\"6\" fill=\"none\" stroke=\"#7d8a97\" stroke-width=\"2\"/>
<path id=\"leaks-none\" d=\"M-4 0h8\" stroke=\"#7d8a97\" stroke-width=\"2\"/>
<text id=\"leaks-unknown\" y=\"5\" text-anchor=\"middle\">?</text>
</defs>";

/// Draws the answers: a column for each container, a row for each thing.
pub fn draw(columns: &[Column]) -> String {
    let rows = columns.first().map_or(&[][..], |(_, answers)| answers);
    let bottom = TOP + rows.len() * ROW;
    let height = bottom + 44;
    let mut svg = vec![
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"leaks\" width=\"540\" \
             height=\"{}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-labelledby=\"leaks-title leaks-desc\">",
            height * 540 / WIDTH
        ),
        "<title id=\"leaks-title\">What each container still shares with the host</title>".into(),
        format!("<desc id=\"leaks-desc\">{}</desc>", description(columns)),
        STYLE.into(),
        format!(
            "<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            WIDTH - 1,
            height - 1
        ),
        text("name", LEFT - 6, TOP - 10, "step"),
    ];
    for (y, (name, _)) in (TOP..).step_by(ROW).zip(rows) {
        // Every other row lies on a band, to lead the eye.
        if (y - TOP) % (2 * ROW) == 0 {
            svg.push(format!(
                "<rect class=\"band\" x=\"6\" y=\"{y}\" width=\"{}\" height=\"{ROW}\" rx=\"4\"/>",
                WIDTH - 12
            ));
        }
        svg.push(text("name", LEFT - 6, y + 17, name));
    }
    for (index, (name, answers)) in columns.iter().enumerate() {
        let gap = if is_step(name) { 0 } else { GAP };
        let x = LEFT + index * COLUMN + COLUMN / 2 + gap;
        svg.push(match is_step(name) {
            true => text("number", x, TOP - 10, name),
            // From the bottom up, for want of room.
            false => format!(
                "<text transform=\"translate({} {}) rotate(-90)\">{name}</text>",
                x + 4,
                TOP - 10
            ),
        });
        let ys = (TOP + ROW / 2..).step_by(ROW);
        svg.extend(ys.zip(answers).map(|(y, (_, answer))| mark(x, y, answer)));
    }
    for (x, answer, word) in [
        (28, "own", "its own"),
        (118, "shared", "the host's"),
        (224, "none", "none there"),
    ] {
        svg.extend([
            mark(x, bottom + 21, answer),
            text("", x + 12, bottom + 26, word),
        ]);
    }
    svg.join("\n") + "\n</svg>\n"
}

fn text(class: &str, x: usize, y: usize, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>")
}

fn mark(x: usize, y: usize, answer: &str) -> String {
    format!("<use href=\"#leaks-{answer}\" x=\"{x}\" y=\"{y}\"/>")
}

fn is_step(name: &str) -> bool {
    name.parse::<u8>().is_ok()
}

/// The picture in words: what each container has of its own.
fn description(columns: &[Column]) -> String {
    let sentences = columns.iter().map(|(name, answers)| {
        let own = answers.iter().filter(|(_, answer)| answer == "own");
        let own: Vec<&str> = own.map(|(thing, _)| thing.as_str()).collect();
        let own = if own.is_empty() {
            "nothing".into()
        } else {
            own.join(", ")
        };
        let step = if is_step(name) { "Step " } else { "" };
        format!("{step}{name} has of its own: {own}.")
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// The text for those who cannot see the picture says what it shows.
pub fn the_picture_tells_its_story_in_words() -> Result<()> {
    let columns = [("4", "shared"), ("5", "own"), ("crun", "none")];
    let svg =
        draw(&columns.map(|(name, answer)| (name.into(), vec![("PIDs".into(), answer.into())])));
    for words in [
        "<title",
        "Step 4 has of its own: nothing.",
        "Step 5 has of its own: PIDs.",
        "crun has of its own: nothing.",
    ] {
        ensure!(svg.contains(words), "{words} is not in {svg}");
    }
    let marks = svg.matches("#leaks-own").count();
    ensure!(
        marks == 2,
        "one in the column, and one in the legend: {svg}"
    );
    Ok(())
}
