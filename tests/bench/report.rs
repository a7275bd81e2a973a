//! The figures in `book/generated/cost.md`, and their picture. Each part has a name, by which the
//! page `book/src/reference/cost.md`, which says what they mean, includes it.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use course::STEPS;
use kernelfiles::machine;

use crate::programs::{FEATURES, Program, version};
use crate::{CROWDS, ROWS, output};

/// What each of [`STEPS`] adds to the one before. The first is not timed: it executes nothing.
const ADDS: [&str; 8] = [
    "",
    "a program that waits for it",
    "a UTS namespace",
    "another program, `child`",
    "a PID namespace",
    "a root filesystem",
    "a mount namespace, `/proc`",
    "a cgroup",
];

/// Milliseconds, in order.
pub struct Times(Vec<f64>);

impl Times {
    pub fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The time that this part of all, 0.0 to 1.0, stays below.
    fn part(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        let time = self.0.get((last * part).round() as usize);
        time.copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.part(0.5)
    }

    /// Half of the times are in this range.
    fn middle_half(&self) -> String {
        format!("{:.2} – {:.2}", self.part(0.25), self.part(0.75))
    }
}

/// A system call: how often one start makes it, and milliseconds in all of them.
pub struct Call {
    pub name: String,
    pub count: u64,
    pub time: f64,
}

/// What many containers at once take.
pub struct Crowd {
    pub name: &'static str,
    /// Milliseconds for each container, for each of [`CROWDS`].
    pub times: [f64; 4],
    /// KiB for each container, with most of them.
    pub memory: f64,
}

pub struct Report {
    /// The limit first.
    pub programs: Vec<(Program, Times)>,
    pub left_out: Vec<String>,
    /// The command itself, and steps 2 to 7.
    pub steps: Vec<Times>,
    /// For each program, the medians of [`ROWS`] runs.
    pub rows: Vec<Vec<f64>>,
    /// Those of the programs, and of step 7.
    pub paused: Vec<Times>,
    /// Those of a process that moves into its cgroup, and of one that is born there.
    pub entrances: Vec<Times>,
    /// What was measured after a pause where cgroups are of version 2, as text.
    pub version_2: String,
    /// The limit first, and then step 8.
    pub crowds: Vec<Crowd>,
    /// A program, and its memory, page faults and system calls, as a row of a table.
    pub weights: Vec<String>,
    /// The slowest first.
    pub calls: Vec<Call>,
}

impl Report {
    pub fn text(&self) -> Result<String> {
        let sections = [
            ("setting", self.setting()?),
            ("picture", self.picture()),
            ("in_a_row", self.in_a_row()),
            ("by_step", self.by_step()),
            ("after_a_pause", self.after_a_pause()),
            ("entrances", self.entrances()),
            ("version_2", self.version_2.clone()),
            ("at_once", self.at_once()),
            ("by_weight", self.by_weight()),
            ("by_call", self.by_call()),
            ("programs", self.commands()?),
        ];
        let sections = sections.map(|(name, text)| {
            format!("<!-- ANCHOR: {name} -->\n{text}\n<!-- ANCHOR_END: {name} -->\n")
        });
        Ok(sections.join("\n"))
    }

    fn limit(&self) -> f64 {
        self.programs[0].1.median()
    }

    /// The times of step 8, built statically.
    fn ours(&self) -> f64 {
        self.programs[1].1.median()
    }

    /// When and on what it was measured, and what came out.
    fn setting(&self) -> Result<String> {
        let field = |path: &str, name: &str| {
            let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            let value = value.unwrap_or("unknown");
            anyhow::Ok(value.trim_matches([' ', '\t', ':', '=', '"']).to_owned())
        };
        Ok(format!(
            "Measured on {}: {}, {} cores, {:.0} GiB, Linux {}, {}.\n\n\
             There `true` takes {:.2} ms by itself, and {:.2} ms in a container of step 8.",
            output(Command::new("date").arg("+%F"))?.trim(),
            field("/proc/cpuinfo", "model name")?,
            thread::available_parallelism().context("count the cores")?,
            machine::memory()? as f64 / f64::from(1 << 30),
            machine::setting("kernel.osrelease")?,
            field("/etc/os-release", "PRETTY_NAME")?,
            self.steps[0].median(),
            self.ours(),
        ))
    }

    fn in_a_row(&self) -> String {
        let mut rows = vec![format!(
            "program | median | middle half | × limit | {}",
            FEATURES.join(" | ")
        )];
        for (program, times) in &self.programs {
            let (name, median, half) = (program.name, times.median(), times.middle_half());
            let does = program
                .does
                .map(|does| if does { "✓" } else { "" })
                .join(" | ");
            let ratio = median / self.limit();
            rows.push(format!(
                "{name} | {median:.2} ms | {half} | {ratio:.2} | {does}"
            ));
        }
        let left_out = self
            .left_out
            .iter()
            .map(|line| format!("Left out: {line}.\n\n"));
        format!(
            "{}\n{}The aim for step 8, static, was at most 1.3 times the limit: {}. And to be ahead of \
             every peer in each of {ROWS} runs: {}.",
            table(&rows),
            left_out.collect::<String>(),
            reached(self.ours() <= 1.3 * self.limit()),
            reached(self.is_ahead()),
        )
    }

    /// Whether step 8 is faster than all that are not ours, each time.
    fn is_ahead(&self) -> bool {
        let all = self.programs.iter().zip(&self.rows);
        let mut peers = all.filter(|((program, _), _)| program.is_peer());
        peers.all(|(_, peer)| {
            self.rows[1]
                .iter()
                .zip(peer)
                .all(|(ours, peer)| ours < peer)
        })
    }

    fn by_step(&self) -> String {
        let mut rows = vec!["program | adds | median | more than the one before".to_owned()];
        let names = ["`true` alone"].iter().chain(&STEPS[1..]).zip(ADDS);
        let medians = self.steps.iter().map(Times::median).chain([self.ours()]);
        let mut before = None;
        for ((name, adds), median) in names.zip(medians) {
            let more = before.map(|before| format!("{:+.2} ms", median - before));
            let more = more.unwrap_or_default();
            rows.push(format!("{name} | {adds} | {median:.2} ms | {more}"));
            before = Some(median);
        }
        table(&rows)
    }

    fn after_a_pause(&self) -> String {
        let mut rows = vec!["program | in a row | after a pause | middle half | cap".to_owned()];
        let programs = self.programs.iter();
        let programs = programs.map(|(program, times)| (program.name, times, has_cap(program)));
        let without = ("step 7, static", &self.steps[6], false);
        for ((name, row, has_cap), paused) in programs.chain([without]).zip(&self.paused) {
            let (row, median, half) = (row.median(), paused.median(), paused.middle_half());
            let cap = if has_cap { "✓" } else { "" };
            rows.push(format!(
                "{name} | {row:.2} ms | {median:.2} ms | {half} | {cap}"
            ));
        }
        table(&rows)
    }

    fn entrances(&self) -> String {
        let mut rows = vec!["a process | after a pause | middle half".to_owned()];
        let names = [
            "that moves: `cgroup.procs`",
            "that is born there: `CLONE_INTO_CGROUP`",
        ];
        for (name, times) in names.iter().zip(&self.entrances) {
            rows.push(format!(
                "{name} | {:.2} ms | {}",
                times.median(),
                times.middle_half()
            ));
        }
        let ratio = self.entrances[0].median() / self.entrances[1].median();
        format!(
            "{}\nThe aim for birth was to be ahead by a factor of 5; it is ahead by one of {ratio:.1}: {}.",
            table(&rows),
            reached(ratio >= 5.0)
        )
    }

    fn at_once(&self) -> String {
        let counts = CROWDS.map(|count| count.to_string()).join(" | ");
        let mut rows = vec![format!("program | {counts} | 1000 to 10 | memory of each")];
        for Crowd {
            name,
            times,
            memory,
        } in &self.crowds
        {
            let ratio = times[3] / times[1];
            let times = times.map(|each| format!("{each:.2} ms")).join(" | ");
            rows.push(format!("{name} | {times} | {ratio:.2} | {memory:.0} KiB"));
        }
        let ours = &self.crowds[1].times;
        format!(
            "{}\nThe aim, for the static step 8, was at most 1.5 times as long per container \
             with 1,000 as with 10: {}.",
            table(&rows),
            reached(ours[3] <= 1.5 * ours[1])
        )
    }

    fn by_weight(&self) -> String {
        let head = "program | `run` | `child` | page faults | system calls".to_owned();
        table(&[&[head], &self.weights[..]].concat())
    }

    fn by_call(&self) -> String {
        let sum: f64 = self.calls.iter().map(|call| call.time).sum();
        let mut rows = vec!["system call | calls | share of the time".to_owned()];
        for Call { name, count, time } in self.calls.iter().take(10) {
            rows.push(format!("`{name}` | {count} | {:.0} %", 100.0 * time / sum));
        }
        table(&rows)
    }

    fn commands(&self) -> Result<String> {
        let mut text = String::from("```text\n");
        for (program, _) in &self.programs {
            let command = program.command(&["true"])?.join(" ");
            text += &format!("{}: {}\n    {command}\n", program.name, program.version);
        }
        Ok(text + &format!("timed by: {}\n```", version("hyperfine")?))
    }

    /// A bar for each program, up to the median, and a line over its middle half. It has its
    /// own background, so that it can be read on a light and on a dark page.
    fn picture(&self) -> String {
        let longest = self.programs.iter().map(|(_, times)| times.part(0.75));
        let scale = 325.0 / longest.fold(f64::MIN_POSITIVE, f64::max);
        let height = 20 + 26 * self.programs.len();
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" role="img" font-family="sans-serif" font-size="13" fill="#222">
<title>Milliseconds from the call to the end, by program</title>
<rect width="640" height="{height}" rx="6" fill="#f6f6f4"/>
"##
        );
        for (y, (program, times)) in (10..).step_by(26).zip(&self.programs) {
            let [low, bar, high] = [0.25, 0.5, 0.75].map(|part| times.part(part) * scale);
            let color = match program.name.starts_with("step") {
                true => "#b7410e",
                false => "#7d8a97",
            };
            let (name, median, end) = (program.name, times.median(), high.max(bar) + 8.0);
            let ratio = median / self.limit();
            svg += &format!(
                r##"<g transform="translate(160 {y})">
<text x="-10" y="17" text-anchor="end">{name}</text>
<rect y="5" width="{bar:.1}" height="16" fill="{color}"/>
<path d="M{low:.1} 13 H{high:.1}" stroke="#222" stroke-width="2"/>
<text x="{end:.1}" y="17">{median:.2} ms, × {ratio:.2}</text>
</g>
"##
            );
        }
        svg + "</svg>"
    }
}

fn has_cap(program: &Program) -> bool {
    program.does.last() == Some(&true)
}

/// The times after a pause of all that have a cap, by that of the one that is born in its cgroup.
pub fn ratios(programs: &[Program], paused: &[Times]) -> String {
    let mut rows = vec!["program | after a pause, × born-in-cgroup".to_owned()];
    let all = programs
        .iter()
        .zip(paused)
        .filter(|(program, _)| has_cap(program));
    let all: Vec<_> = all
        .map(|(program, times)| (program.name, times.median()))
        .collect();
    let is_born = |(name, _): &&(&str, f64)| name.starts_with("born-in-cgroup");
    let born = all
        .iter()
        .find(is_born)
        .map_or(f64::NAN, |(_, median)| *median);
    let mut nearest = f64::INFINITY;
    for (name, median) in &all {
        let ratio = median / born;
        rows.push(format!("{name} | {ratio:.2}"));
        if !name.starts_with("born-in-cgroup") {
            nearest = nearest.min(ratio);
        }
    }
    format!(
        "{}\nThe aim for born-in-cgroup was to be first of these by a factor of 5: {}.",
        table(&rows),
        reached(nearest >= 5.0)
    )
}

fn reached(is_so: bool) -> &'static str {
    if is_so { "reached" } else { "**not reached**" }
}

/// A table in Markdown of rows such as `cell | cell`, the first of which is the head, with
/// columns that also align in a terminal.
fn table(rows: &[String]) -> String {
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.split(" | ").collect()).collect();
    let length = |cell: &&str| cell.chars().count();
    let width = |column: usize| rows.iter().map(|row| length(&row[column])).max();
    let widths: Vec<usize> = (0..rows[0].len()).filter_map(width).collect();
    let rule: String = widths
        .iter()
        .map(|width| "-".repeat(width + 2) + "|")
        .collect();
    let mut lines = Vec::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        lines.push(
            cells
                .map(|(cell, width)| format!(" {cell:width$} |"))
                .collect(),
        );
    }
    lines.insert(1, rule);
    lines.iter().map(|line| format!("|{line}\n")).collect()
}
