//! The page `book/generated/cost.md`, with its picture.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use kernelfiles::machine;

use crate::CROWDS;
use crate::programs::{FEATURES, Program, STEPS, version};

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
        self.0
            .get((last * part).round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.part(0.5)
    }

    /// Half of the times are in this range.
    fn middle_half(&self) -> String {
        format!("{:.2} – {:.2}", self.part(0.25), self.part(0.75))
    }
}

/// Milliseconds per container, for each of [`CROWDS`].
pub struct Crowd {
    pub program: &'static str,
    pub each: [f64; 4],
}

/// Peak memory in KiB while a command runs, and what one start takes.
pub struct Weight {
    pub program: &'static str,
    pub run: u64,
    pub child: u64,
    pub faults: u64,
    pub calls: u64,
}

/// A system call: how often one start makes it, and milliseconds in all of them.
pub struct Call {
    pub name: String,
    pub count: u64,
    pub time: f64,
}

pub struct Report {
    /// The limit first.
    pub programs: Vec<(Program, Times)>,
    pub left_out: Vec<String>,
    /// In the order of [`STEPS`].
    pub steps: Vec<Times>,
    /// The limit, step 7 and step 8.
    pub paused: Vec<Times>,
    pub crowds: Vec<Crowd>,
    pub weights: Vec<Weight>,
    /// The slowest first.
    pub calls: Vec<Call>,
}

impl Report {
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        write!(
            text,
            "# What a container costs\n\n\
             `cargo bench -p bench -- --page` measured this and wrote this page, on {}.\n\n\
             There `true` takes {:.2} ms by itself, and {:.2} ms in a container of step 8.\n\n\
             {}\n",
            setting()?,
            self.steps[0].median(),
            self.ours(),
            self.picture(),
        )?;
        for section in [
            self.in_a_row(),
            self.by_step(),
            self.after_a_pause(),
            self.at_once(),
            self.by_weight(),
            self.by_call(),
            self.commands()?,
        ] {
            text.push_str(&section);
        }
        // The last section ends with an empty line, as all do.
        text.pop();
        Ok(text)
    }

    fn limit(&self) -> f64 {
        self.programs[0].1.median()
    }

    /// The times of step 8, built statically.
    fn ours(&self) -> f64 {
        self.programs[1].1.median()
    }

    fn in_a_row(&self) -> String {
        let head = ["program", "median", "middle half", "× limit"];
        let mut rows = vec![to_strings([&head[..], &FEATURES[..]].concat())];
        for (program, times) in &self.programs {
            let ratio = times.median() / self.limit();
            let mut row = vec![
                program.name.to_owned(),
                format!("{:.2} ms", times.median()),
                times.middle_half(),
                format!("{ratio:.2}"),
            ];
            row.extend(
                program
                    .does
                    .map(|does| if does { "✓" } else { "" }.to_owned()),
            );
            rows.push(row);
        }
        let left_out: String = self
            .left_out
            .iter()
            .map(|line| format!("Left out: {line}.\n\n"))
            .collect();
        let peers = self
            .programs
            .iter()
            .filter(|(program, _)| program.is_peer());
        let peers = peers.map(|(_, times)| times.median());
        let fastest = peers.fold(f64::INFINITY, f64::min);
        format!(
            "## From the call to the end\n\n\
             One container after another, each with `true` in it; {} starts of each program, \
             in turns. A mark says what the program was seen to do from inside: its own \
             hostname, PIDs that count from 1, its own `/` and `/proc`, and a cap of 20 \
             processes.\n\n\
             The limit is a C program of some sixty lines that makes the same \
             system calls, linked with the C library of this machine, as is the static step 8. \
             What musl, a smaller one, makes of both stands beside them.\n\n\
             {}\n{left_out}\
             The aim was at most 1.6 times the limit: {}. And to be faster than every peer: \
             {}.\n\n",
            self.programs[0].1.0.len(),
            table(&rows),
            reached(self.ours() <= 1.6 * self.limit()),
            reached(self.ours() < fastest),
        )
    }

    fn by_step(&self) -> String {
        let mut rows = vec![to_strings(vec![
            "program",
            "adds",
            "median",
            "more than the one before",
        ])];
        let mut before = None;
        let steps = STEPS.iter().map(|step| (step.name, step.adds));
        let steps = steps.zip(self.steps.iter().map(Times::median));
        for ((name, adds), median) in steps.chain([(("step08-cgroup", "a cgroup"), self.ours())]) {
            let more = before.map_or(String::new(), |before| {
                format!("{:+.2} ms", median - before)
            });
            rows.push(vec![
                name.into(),
                adds.into(),
                format!("{median:.2} ms"),
                more,
            ]);
            before = Some(median);
        }
        format!(
            "## What each step adds\n\n\
             The steps, built statically, in the same rounds. Each figure includes the end: \
             taking a namespace down is part of its price.\n\n{}\n",
            table(&rows)
        )
    }

    fn after_a_pause(&self) -> String {
        let in_a_row = [self.limit(), self.steps[6].median(), self.ours()];
        let names = [
            "limit.c, static",
            "step 7, without a cgroup",
            "step 8, with one",
        ];
        let mut rows = vec![to_strings(vec![
            "program",
            "in a row",
            "after a pause",
            "middle half",
        ])];
        for ((name, row), paused) in names.into_iter().zip(in_a_row).zip(&self.paused) {
            rows.push(vec![
                name.to_owned(),
                format!("{row:.2} ms"),
                format!("{:.2} ms", paused.median()),
                paused.middle_half(),
            ]);
        }
        format!(
            "## After a pause\n\n\
             The same, but each start after 0.1 seconds in which nothing was started.\n\n{}\n\
             What makes the difference is the write to `cgroup.procs`. To move a process, the \
             kernel stops all others from forking, and first waits until every CPU has taken \
             note (an RCU grace period); whoever comes soon after finds that done. How long it \
             takes depends on the moment, and so the two programs with a cgroup may differ by \
             more than their code does.\n\n",
            table(&rows)
        )
    }

    fn at_once(&self) -> String {
        let mut rows = vec![vec!["program".to_owned()]];
        rows[0].extend(CROWDS.map(|count| count.to_string()));
        rows[0].push("500 to 10".into());
        for crowd in &self.crowds {
            let mut row = vec![crowd.program.to_owned()];
            row.extend(crowd.each.map(|each| format!("{each:.2} ms")));
            row.push(format!("{:.2}", crowd.each[3] / crowd.each[1]));
            rows.push(row);
        }
        let ours = &self.crowds[1].each;
        format!(
            "## Many at once\n\n\
             1, 10, 100 and 500 containers, started without waiting: the time until the last \
             has ended, divided by their number. Afterwards no cgroup and no process was left.\n\n\
             {}\nThe aim, for the static step 8, was at most 1.5 times as long per container \
             with 500 as with 10: {}.\n\n",
            table(&rows),
            reached(ours[3] <= 1.5 * ours[1])
        )
    }

    fn by_weight(&self) -> String {
        let head = vec!["program", "`run`", "`child`", "page faults", "system calls"];
        let mut rows = vec![to_strings(head)];
        for weight in &self.weights {
            rows.push(vec![
                weight.program.to_owned(),
                format!("{} KiB", weight.run),
                format!("{} KiB", weight.child),
                weight.faults.to_string(),
                weight.calls.to_string(),
            ]);
        }
        format!(
            "## Memory\n\n\
             The peak of resident memory (`VmHWM`, shared pages included) while `sleep` runs \
             inside; and what one start with `true` takes in page faults and system calls, of \
             which `true` itself is a part.\n\n{}\n",
            table(&rows)
        )
    }

    fn by_call(&self) -> String {
        let sum: f64 = self.calls.iter().map(|call| call.time).sum();
        let mut rows = vec![to_strings(vec![
            "system call",
            "calls",
            "share of the time",
        ])];
        for call in self.calls.iter().take(10) {
            rows.push(vec![
                format!("`{}`", call.name),
                call.count.to_string(),
                format!("{:.0} %", 100.0 * call.time / sum),
            ]);
        }
        format!(
            "## Where the time goes\n\n\
             One start of the static step 8 under `strace -f -c -w`: the ten system calls that \
             take longest, without those that only wait for another process. strace delays \
             every call by as much as the cheapest of them takes; this is taken off, and still \
             only the shares count. `write` is high up or far down from run to run: the one to \
             `cgroup.procs` comes after a pause, or does not.\n\n{}\n",
            table(&rows)
        )
    }

    fn commands(&self) -> Result<String> {
        let mut text = String::from("## The programs\n\n```text\n");
        for (program, _) in &self.programs {
            let command = program.command(&["true"])?.join(" ");
            writeln!(text, "{}: {}\n    {command}", program.name, program.version)?;
        }
        writeln!(text, "timed by: {}\n```\n", version("hyperfine")?)?;
        Ok(text)
    }

    /// A bar for each program, up to the median, and a line over its middle half.
    fn picture(&self) -> String {
        let longest = self.programs.iter().map(|(_, times)| times.part(0.75));
        let scale = 325.0 / longest.fold(f64::MIN_POSITIVE, f64::max);
        let height = 20 + 26 * self.programs.len();
        // Its own background, so that it can be read on a light and on a dark page.
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 {height}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <title>Milliseconds from the call to the end, by program</title>\n\
             <rect width=\"640\" height=\"{height}\" rx=\"6\" fill=\"#f6f6f4\"/>\n"
        );
        for (index, (program, times)) in self.programs.iter().enumerate() {
            let y = 10 + 26 * index;
            let [low, median, high] =
                [0.25, 0.5, 0.75].map(|part| 160.0 + times.part(part) * scale);
            let color = if program.name.starts_with("step") {
                "#b7410e"
            } else {
                "#7d8a97"
            };
            svg += &format!(
                "<text x=\"150\" y=\"{}\" text-anchor=\"end\" fill=\"#222\">{}</text>\n\
                 <rect x=\"160\" y=\"{}\" width=\"{:.1}\" height=\"16\" fill=\"{color}\"/>\n\
                 <path d=\"M{low:.1} {} H{high:.1}\" stroke=\"#222\" stroke-width=\"2\"/>\n\
                 <text x=\"{:.1}\" y=\"{}\" fill=\"#222\">{:.2} ms, × {:.2}</text>\n",
                y + 17,
                program.name,
                y + 5,
                median - 160.0,
                y + 13,
                high.max(median) + 8.0,
                y + 17,
                times.median(),
                times.median() / self.limit(),
            );
        }
        svg + "</svg>\n"
    }
}

fn reached(is_so: bool) -> &'static str {
    if is_so { "reached" } else { "**not reached**" }
}

fn to_strings(words: Vec<&str>) -> Vec<String> {
    words.into_iter().map(String::from).collect()
}

/// A table in Markdown, its first row the head, with columns that also align in a terminal.
fn table(rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &[String]| -> String {
        let cells = row.iter().zip(&widths);
        let cells: String = cells
            .map(|(cell, width)| format!(" {cell:width$} |"))
            .collect();
        format!("|{cells}\n")
    };
    let rule: String = widths
        .iter()
        .map(|width| format!("{}|", "-".repeat(width + 2)))
        .collect();
    let rest: String = rows[1..].iter().map(|row| line(row)).collect();
    format!("{}|{rule}\n{rest}", line(&rows[0]))
}

/// When and on what it was measured, in a sentence's middle.
fn setting() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
    let field = |text: String, name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned));
        let value = line.unwrap_or_else(|| "unknown".into());
        value.trim_matches([' ', '\t', ':', '=', '"']).to_owned()
    };
    let date = Command::new("date")
        .arg("+%F")
        .output()
        .context("execute date")?;
    let cpu = field(read("/proc/cpuinfo")?, "model name");
    Ok(format!(
        "{}: {cpu}, {} cores, {:.0} GiB, Linux {}, {}",
        String::from_utf8_lossy(&date.stdout).trim(),
        thread::available_parallelism().context("count the cores")?,
        machine::memory()? as f64 / f64::from(1 << 30),
        machine::setting("kernel.osrelease")?,
        field(read("/etc/os-release")?, "PRETTY_NAME"),
    ))
}
