//! The picture `book/generated/pictures/leaks.svg`: what the eight steps, and four tools beside
//! them, still share with the host.
//!
//! [`columns`] asks `leaks`, as root, and [`draw`] draws the answers.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Whether a container shares a thing with the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Shared,
    Own,
    /// It has no such thing, or, in step 1, there is no container.
    None,
    Unknown,
}

/// A container: its name, and an answer for each thing, by the name of that.
pub type Column = (String, Vec<(String, Answer)>);

/// How a container is started.
enum Start {
    /// One of our programs.
    Step(&'static str),
    /// The command follows these words, in which ROOTFS stands for the root filesystem.
    Words(&'static str),
    /// A runtime starts what is in an OCI bundle: what its own `spec` writes, and a cgroup
    /// namespace, which `spec` adds only where cgroups are of version 2.
    Bundle(&'static str),
}
use Start::{Bundle, Step, Words};

/// The columns of the picture. The tools are asked for all that they can keep apart by
/// one option for each, and no more: none has a limit on processes unless it is given one.
const COLUMNS: [(&str, Start); 12] = [
    ("1", Step("step01-run")),
    ("2", Step("step02-exec")),
    ("3", Step("step03-uts")),
    ("4", Step("step04-child")),
    ("5", Step("step05-pid")),
    ("6", Step("step06-chroot")),
    ("7", Step("step07-proc")),
    ("8", Step("step08-cgroup")),
    (
        "unshare",
        Words(
            "unshare --uts --ipc --net --pid --mount --cgroup --time --user --map-root-user \
             --fork --mount-proc=ROOTFS/proc chroot ROOTFS",
        ),
    ),
    (
        "bubblewrap",
        Words("bwrap --unshare-all --hostname container --bind ROOTFS / --proc /proc --dev /dev"),
    ),
    ("crun", Bundle("crun")),
    ("runc", Bundle("runc")),
];

/// Where a hybrid host mounts cgroups of version 2, crun refuses to work.
const WITHOUT_UNIFIED: &str = "\
if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi; exec \"$@\"";

/// The name of our container, where a runtime wants one.
const OCI_ID: &str = "leaks-picture";

/// Asks `leaks` about each container. `programs` is the folder with the steps' programs,
/// and `scratch` one in which bundles can be made.
pub fn columns(
    leaks: &Path,
    programs: &Path,
    rootfs: &Path,
    scratch: &Path,
) -> Result<Vec<Column>> {
    let rootfs = fs::canonicalize(rootfs).context("find the root filesystem")?;
    let mut columns = Vec::new();
    for (name, start) in COLUMNS {
        let words = words(&start, programs, &rootfs, scratch)?;
        clear(&start);
        let answers = ask(leaks, &rootfs, &words);
        clear(&start);
        let answers = answers.with_context(|| format!("ask leaks about {name}"))?;
        columns.push((name.to_owned(), answers));
    }
    Ok(columns)
}

/// What stands behind `leaks --plain`.
fn words(start: &Start, programs: &Path, rootfs: &Path, scratch: &Path) -> Result<Vec<String>> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    match start {
        Step(name) => Ok(vec![text(&programs.join(name)), "run".into()]),
        Words(words) => {
            let words = words.split(' ');
            Ok(words
                .map(|word| word.replace("ROOTFS", &text(rootfs)))
                .collect())
        }
        Bundle(runtime) => {
            let bundle = write_bundle(runtime, rootfs, scratch)?;
            let words = [
                "--stdin",
                runtime,
                "run",
                "--bundle",
                &text(&bundle),
                OCI_ID,
            ];
            Ok(words.map(str::to_owned).to_vec())
        }
    }
}

/// Makes a bundle, a folder with a config.json, whose process is a shell that reads its
/// standard input.
fn write_bundle(runtime: &str, rootfs: &Path, scratch: &Path) -> Result<PathBuf> {
    let bundle = scratch.join(format!("bundle-{runtime}"));
    fs::create_dir_all(&bundle).with_context(|| format!("make {}", bundle.display()))?;
    let path = bundle.join("config.json");
    // What an earlier run has left would not be overwritten.
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    run(Command::new(runtime)
        .args(["spec", "--bundle"])
        .arg(&bundle))?;
    let config = fs::read_to_string(&path).context("read config.json")?;
    let mut config = config
        .replace("\"terminal\": true", "\"terminal\": false")
        .replace("\"path\": \"rootfs\"", &format!("\"path\": {rootfs:?}"));
    // A mount has this type, too, but more behind it.
    if !config.contains("\"type\": \"cgroup\"\n") {
        let namespaces = "\"namespaces\": [";
        let one_more = format!("{namespaces} {{ \"type\": \"cgroup\" }},");
        config = config.replace(namespaces, &one_more);
    }
    fs::write(&path, config).context("write config.json")?;
    Ok(bundle)
}

/// A runtime that was killed leaves state in /run, and a cgroup.
fn clear(start: &Start) {
    if let Bundle(runtime) = start {
        let mut delete = Command::new(runtime);
        delete.args(["delete", "--force", OCI_ID]).output().ok();
    }
}

fn ask(leaks: &Path, rootfs: &Path, words: &[String]) -> Result<Vec<(String, Answer)>> {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", WITHOUT_UNIFIED, "sh"])
        .arg(leaks);
    let text = run(command.arg("--plain").args(words).env("ROOTFS", rootfs))?;
    let rows = text.lines().map(|line| {
        let mut fields = line.split('\t').map(str::to_owned);
        let (name, word) = (fields.next(), fields.next());
        let (name, word) = name.zip(word).with_context(|| format!("parse {line:?}"))?;
        Ok((name, answer(&word)?))
    });
    rows.collect()
}

fn answer(word: &str) -> Result<Answer> {
    match word {
        "shared" => Ok(Answer::Shared),
        "own" => Ok(Answer::Own),
        "none" => Ok(Answer::None),
        "unknown" => Ok(Answer::Unknown),
        _ => bail!("leaks does not answer {word:?}"),
    }
}

fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("execute {program} (`apt-get install bubblewrap crun runc util-linux` brings it)")
    })?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} failed ({}): {}",
        output.status,
        errors.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Units of the picture, which is as wide as a phone: the columns begin at `LEFT`, and the
/// rows at `TOP`.
const WIDTH: usize = 360;
const LEFT: usize = 112;
const TOP: usize = 92;
const COLUMN: usize = 20;
const ROW: usize = 24;

/// The steps, which count their columns, and the tools stand a little apart.
const GAP: usize = 6;

/// Like the other pictures it has a light ground of its own, and so fits every theme.
const STYLE: &str = "\
.ground { fill: #f6f6f4; stroke: #d4d4ce } .band { fill: #eaeae6 }
.text { fill: #222222 } .faint { fill: #6b6b66 }
.own { fill: #b7410e } .shared, .none { fill: none; stroke: #7d8a97; stroke-width: 2 }";

/// Draws the answers: a column for each container, a row for each thing.
pub fn draw(columns: &[Column]) -> String {
    let names: Vec<&String> = columns.first().map_or_else(Vec::new, |(_, answers)| {
        answers.iter().map(|(name, _)| name).collect()
    });
    let bottom = TOP + names.len() * ROW;
    let height = bottom + 44;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"540\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-labelledby=\"leaks-title leaks-desc\" font-family=\"sans-serif\" \
         font-size=\"13\">\n\
         <title id=\"leaks-title\">What each container still shares with the host</title>\n\
         <desc id=\"leaks-desc\">{}</desc>\n<style>\n{STYLE}\n</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
        description(columns),
        WIDTH - 1,
        height - 1
    );
    for (index, name) in names.iter().enumerate() {
        draw_row_name(&mut svg, index, name);
    }
    writeln!(
        svg,
        "<text class=\"faint\" x=\"{}\" y=\"{}\" text-anchor=\"end\">step</text>",
        LEFT - 6,
        TOP - 10
    )
    .ok();
    for (index, (name, answers)) in columns.iter().enumerate() {
        draw_column(&mut svg, left_of(index, columns), name, answers);
    }
    draw_legend(&mut svg, bottom + 26);
    svg + "</svg>\n"
}

/// Every other row lies on a band, to lead the eye.
fn draw_row_name(svg: &mut String, index: usize, name: &str) {
    let y = TOP + index * ROW;
    if index % 2 == 0 {
        writeln!(
            svg,
            "<rect class=\"band\" y=\"{y}\" width=\"{WIDTH}\" height=\"{ROW}\"/>"
        )
        .ok();
    }
    writeln!(
        svg,
        "<text class=\"text\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>",
        LEFT - 6,
        y + 17
    )
    .ok();
}

/// The middle of a column.
fn left_of(index: usize, columns: &[Column]) -> usize {
    let is_tool = !is_step(&columns[index].0);
    LEFT + index * COLUMN + COLUMN / 2 + if is_tool { GAP } else { 0 }
}

fn is_step(name: &str) -> bool {
    name.parse::<u8>().is_ok()
}

fn draw_column(svg: &mut String, x: usize, name: &str, answers: &[(String, Answer)]) {
    let y = TOP - 10;
    if is_step(name) {
        writeln!(
            svg,
            "<text class=\"text\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>"
        )
        .ok();
    } else {
        // From the bottom up, for want of room.
        let x = x + 4;
        writeln!(
            svg,
            "<text class=\"text\" transform=\"translate({x} {y}) rotate(-90)\">{name}</text>"
        )
        .ok();
    }
    for (index, (_, answer)) in answers.iter().enumerate() {
        draw_mark(svg, x, TOP + index * ROW + ROW / 2, *answer);
    }
}

fn draw_mark(svg: &mut String, x: usize, y: usize, answer: Answer) {
    let mark = match answer {
        Answer::Own => format!("<circle class=\"own\" cx=\"{x}\" cy=\"{y}\" r=\"7\"/>"),
        Answer::Shared => format!("<circle class=\"shared\" cx=\"{x}\" cy=\"{y}\" r=\"6\"/>"),
        Answer::None => format!("<path class=\"none\" d=\"M{} {y}h8\"/>", x - 4),
        Answer::Unknown => format!(
            "<text class=\"faint\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">?</text>",
            y + 5
        ),
    };
    writeln!(svg, "{mark}").ok();
}

fn draw_legend(svg: &mut String, y: usize) {
    let legend = [
        (28, Answer::Own, "its own"),
        (118, Answer::Shared, "the host's"),
        (224, Answer::None, "none there"),
    ];
    for (x, answer, word) in legend {
        draw_mark(svg, x, y - 5, answer);
        writeln!(
            svg,
            "<text class=\"text\" x=\"{}\" y=\"{y}\">{word}</text>",
            x + 12
        )
        .ok();
    }
}

/// The picture in words: what each container has of its own.
fn description(columns: &[Column]) -> String {
    let sentences = columns.iter().map(|(name, answers)| {
        let own = answers.iter().filter(|(_, answer)| *answer == Answer::Own);
        let own: Vec<&str> = own.map(|(thing, _)| thing.as_str()).collect();
        let own = if own.is_empty() {
            "nothing".to_owned()
        } else {
            own.join(", ")
        };
        let name = if is_step(name) {
            format!("Step {name}")
        } else {
            name.clone()
        };
        format!("{name} has of its own: {own}.")
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// The text for those who cannot see the picture says what it shows.
pub fn the_picture_tells_its_story_in_words() -> Result<()> {
    let column = |name: &str, answer| (name.to_owned(), vec![("PIDs".to_owned(), answer)]);
    let svg = draw(&[
        column("4", Answer::Shared),
        column("5", Answer::Own),
        column("crun", Answer::None),
    ]);
    for words in [
        "<title",
        "Step 4 has of its own: nothing.",
        "Step 5 has of its own: PIDs.",
        "crun has of its own: nothing.",
    ] {
        ensure!(svg.contains(words), "{words} is not in {svg}");
    }
    let circles = svg.matches("class=\"own\"").count();
    ensure!(
        circles == 2,
        "one in the column, and one in the legend: {svg}"
    );
    Ok(())
}
