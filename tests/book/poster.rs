//! The poster: the whole of step 8 on one A4 sheet, with a coloured bar and a number at
//! each line, for the part of the drawing that the line makes.
//!
//! The tables tell which item of a file makes which part. A name that the file does not
//! have is an error, and so is an item without a line in its table: the poster cannot
//! say what is no longer so.

use anyhow::{Context, Result, ensure};

use super::pictures::{DRAWING, INSET, Part, badge, container};
use super::svg::{Area, CHARACTER, Pen, Sheet, Svg, Type};

/// An item, by the words that it begins with, or words in a line of it.
struct Rule {
    item: &'static str,
    words: &'static str,
    part: Part,
}

const fn item(item: &'static str, part: Part) -> Rule {
    line(item, "", part)
}

const fn line(item: &'static str, words: &'static str, part: Part) -> Rule {
    Rule { item, words, part }
}

const MAIN: &[Rule] = &[
    item("mod cgroup", Part::Cgroup),
    item("mod hierarchy", Part::Cgroup),
    item("mod command", Part::Process),
    item("use", Part::Words),
    item("use std::os::unix::fs::chroot", Part::Root),
    item("use std::path", Part::Cgroup),
    item("use std::process", Part::Process),
    item("use nix::mount", Part::Proc),
    item("use nix::sched", Part::Uts),
    item("use nix::sys", Part::Pids),
    item("use nix::unistd::sethostname", Part::Hostname),
    item("use crate::cgroup", Part::Cgroup),
    item("const USAGE", Part::Words),
    item("const MAKE_NAMESPACES", Part::Uts),
    item("const MARK", Part::Child),
    item("const CGROUP", Part::Cgroup),
    item("const MAX_PROCESSES", Part::Cgroup),
    item("fn main", Part::Words),
    item("fn start", Part::Words),
    line("fn start", "command::block_signals()", Part::Process),
    line("fn start", "child(&args[2..])", Part::Child),
    item("fn run", Part::Words),
    line("fn run", "CloneFlags::CLONE_NEWUTS", Part::Uts),
    line("fn run", "CloneFlags::CLONE_NEWPID", Part::Pids),
    line("fn run", "CloneFlags::CLONE_NEWNS", Part::Proc),
    line("fn run", "Cgroup::with_cap(MAX_PROCESSES)", Part::Cgroup),
    line("fn run", "Command::new(\"/proc/self/exe\")", Part::Child),
    line("fn run", ".env(CGROUP, &cgroup.path)", Part::Cgroup),
    line("fn run", "command::wait(child)", Part::Process),
    item("fn child", Part::Child),
    line("fn child", "set_pdeathsig(Signal::SIGKILL)", Part::Pids),
    line("fn child", "limit_processes()", Part::Cgroup),
    line("fn child", "set_hostname()", Part::Hostname),
    line("fn child", "make_mounts_private()", Part::Proc),
    line("fn child", "enter_root()", Part::Root),
    line("fn child", "mount_proc()", Part::Proc),
    line("fn child", "command::execute", Part::Process),
    line("fn child", "Command::new(&argv[0])", Part::Process),
    line("fn child", ".env_remove(MARK)", Part::Child),
    line("fn child", ".env_remove(CGROUP)", Part::Cgroup),
    item("fn limit_processes", Part::Cgroup),
    item("fn set_hostname", Part::Hostname),
    item("fn make_mounts_private", Part::Proc),
    item("fn enter_root", Part::Root),
    item("fn mount_proc", Part::Proc),
    item("fn announce", Part::Words),
    item("fn print", Part::Words),
];

const COMMAND: &[Rule] = &[
    item("use", Part::Process),
    item("fn signals", Part::Process),
    item("fn block_signals", Part::Process),
    item("fn execute", Part::Process),
    item("fn prepare", Part::Process),
    item("fn not_executed", Part::Process),
    item("fn wait", Part::Process),
];

const CGROUP: &[Rule] = &[
    item("use", Part::Cgroup),
    item("struct Cgroup", Part::Cgroup),
    item("impl Cgroup", Part::Cgroup),
    item("impl Drop for Cgroup", Part::Cgroup),
    item("fn join", Part::Cgroup),
];

/// The parts in words, with what makes each of them.
const LEGEND: [(Part, &str, &str); 8] = [
    (Part::Words, "the word run", "words of a command line"),
    (Part::Process, "a process", "fork, execve, wait"),
    (Part::Uts, "a UTS namespace", "unshare(CLONE_NEWUTS)"),
    (
        Part::Child,
        "child, hostname",
        "/proc/self/exe, sethostname",
    ),
    (Part::Pids, "a PID namespace", "unshare(CLONE_NEWPID)"),
    (Part::Root, "a root filesystem", "chroot, chdir"),
    (
        Part::Proc,
        "mounts and /proc",
        "unshare(CLONE_NEWNS), mount",
    ),
    (Part::Cgroup, "a cgroup", "pids.max, cgroup.procs"),
];

/// A4, in points.
const PAGE: (f64, f64) = (595.28, 841.89);
const MARGIN: f64 = 15.0;
const GUTTER: f64 = 8.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = PAGE.1 - MARGIN;
const COLUMNS: u8 = 3;
const WIDTH: f64 = (PAGE.0 - 2.0 * MARGIN - 2.0 * GUTTER) / COLUMNS as f64;
/// For numbers and bars, on the left of the code.
const EDGE: f64 = 14.0;
/// From one line to the next.
const LINE: f64 = 1.1 * CODE.size;
const HEADING_LINES: f64 = 2.4;
/// Code is set narrower than its font is.
const NARROWED: f64 = 0.8;
/// The longest line, in characters.
const LONGEST: usize = ((WIDTH - EDGE) / (CHARACTER * CODE.size * NARROWED)) as usize;

const INK: &str = "#222222";
const GREY: &str = "#74746e";
const TITLE: Type = Type {
    family: "sans-serif",
    size: 14.0,
    colour: INK,
    bold: true,
};
const HEADING: Type = Type { size: 7.0, ..TITLE };
const NOTE: Type = Type {
    size: 7.0,
    colour: GREY,
    bold: false,
    ..TITLE
};
const CODE: Type = Type {
    family: "monospace",
    size: 4.2,
    colour: INK,
    bold: false,
};

const NAME: &str = "A container from scratch: the whole of step 8";
const HINT: &str = "Each line has the number and the colour of the part that it makes.";

/// Draws the poster from the sources of step 8.
///
/// # Errors
///
/// When a table names what is not in the source, or the other way round, and when the
/// code has become too long for the sheet.
pub fn draw(main: &str, cgroup: &str, command: &str) -> Result<String> {
    let mut svg = Svg::default();
    svg.print_on("A4 portrait");
    svg.rect(Area::new(0.0, 0.0, PAGE.0, PAGE.1), 0.0, filled("#ffffff"));
    svg.text(MARGIN, 27.0, TITLE, NAME);
    svg.text(MARGIN, 38.0, NOTE, HINT);
    let mut place = Place {
        column: 0,
        y: legend(&mut svg),
    };
    let main = rows(main, MAIN).context("main.rs")?;
    let command = rows(command, COMMAND).context("command.rs")?;
    let cgroup = rows(cgroup, CGROUP).context("cgroup.rs")?;
    for file in [
        File::new("main.rs", &main),
        File::new(
            "command.rs, without its comments",
            &without_comments(command),
        ),
        File::new("cgroup.rs, without its comments", &without_comments(cgroup)),
    ] {
        file.draw(&mut svg, &mut place).context(file.name)?;
    }
    Ok(sheet(svg))
}

/// Where the next file begins.
struct Place {
    column: u8,
    y: f64,
}

impl Place {
    fn x(&self) -> f64 {
        MARGIN + f64::from(self.column) * (WIDTH + GUTTER)
    }

    /// How many lines there is room for.
    fn lines(&self) -> f64 {
        (BOTTOM - self.y) / LINE
    }

    fn next_column(&mut self) -> Result<()> {
        self.column += 1;
        self.y = TOP;
        ensure!(self.column < COLUMNS, "there is no room left on the poster");
        Ok(())
    }
}

fn sheet(svg: Svg) -> String {
    svg.file(&Sheet {
        id: "poster",
        title: NAME,
        text: "The source code of step 8 in columns. A number and a coloured bar at each line \
               tie it to a part of the drawing of host and container beside it.",
        size: ("210mm".into(), "297mm".into()),
        view: PAGE,
    })
}

/// The drawing, and what its numbers mean. Returns where that ends.
fn legend(svg: &mut Svg) -> f64 {
    let scale = WIDTH / (DRAWING.0 - 2.0 * INSET);
    let x = MARGIN - scale * INSET;
    svg.place(&container(), (x, TOP), (scale, scale));
    let mut y = TOP + scale * DRAWING.1 + 6.0;
    for (part, name, calls) in LEGEND {
        badge(svg, (MARGIN + 8.0, y), part, 0.4, true);
        let name_set = Type {
            size: 6.5,
            ..HEADING
        };
        svg.text(MARGIN + 17.0, y + 2.3, name_set, name);
        let colour = part.colour();
        let calls_set = Type {
            size: 5.4,
            colour,
            ..CODE
        };
        svg.text(MARGIN + 88.0, y + 2.1, calls_set, calls);
        y += 12.75;
    }
    y
}

/// A line of a source file, or a piece of one that is too long for its column.
#[derive(Clone)]
struct Row {
    text: String,
    /// What the item begins with, in its table.
    item: &'static str,
    parts: Vec<Part>,
    /// Words that have the colour of their part.
    words: Vec<(&'static str, Part)>,
}

impl Row {
    fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn is_comment(&self) -> bool {
        self.text.trim_start().starts_with("//")
    }

    /// What makes it a comment, with the indentation, and the words.
    fn comment(&self) -> (&str, &str) {
        let text = self.text.trim_start();
        let marker = match text.find(' ') {
            _ if !self.is_comment() => 0,
            Some(space) => space + 1,
            None => text.len(),
        };
        self.text.split_at(self.indent() + marker)
    }

    /// A comment whose sentence has not ended.
    fn goes_on_in(&self, next: &Self) -> bool {
        let ((marker, words), (next_marker, next_words)) = (self.comment(), next.comment());
        let same = self.is_comment() && marker == next_marker;
        same && !words.is_empty() && !words.ends_with('.') && !next_words.is_empty()
    }

    /// A line that belongs to the one below it.
    fn is_above(&self) -> bool {
        self.is_comment() || self.text.trim_start().starts_with("#[")
    }

    fn starts_item(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic())
    }

    /// The height, in lines.
    fn height(&self) -> f64 {
        if self.is_empty() { 0.5 } else { 1.0 }
    }
}

/// The lines of a source, each with the parts that it makes.
fn rows(source: &str, rules: &'static [Rule]) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    // A line of a text may begin as an item does.
    let mut inside = false;
    for text in source.lines() {
        let mut row = Row {
            text: text.to_owned(),
            item: rows.last().map_or("", |row| row.item),
            parts: Vec::new(),
            words: Vec::new(),
        };
        if row.starts_item() && !inside {
            row.item = find_item(text, rules)?;
            inside = true;
        }
        let is_outermost = row.indent() == 0 || row.item.starts_with("const");
        inside &= !(is_outermost && text.ends_with([';', '}']));
        row.words = find_words(&row, rules);
        row.parts = find_parts(&row, &rows, rules);
        rows.push(row);
    }
    for index in (1..rows.len()).rev() {
        if rows[index - 1].is_above() {
            rows[index - 1].parts = rows[index].parts.clone();
        }
    }
    check_use(rules, &rows)?;
    Ok(rows)
}

/// No line of the table may be without a line in the file.
fn check_use(rules: &[Rule], rows: &[Row]) -> Result<()> {
    for Rule { item, words, .. } in rules {
        let mut rows = rows.iter().filter(|row| row.item == *item);
        ensure!(
            rows.any(|row| row.text.contains(words)),
            "`{item}` `{words}` is in the poster's table, and not in the file"
        );
    }
    Ok(())
}

/// The longest entry that fits.
fn find_item(text: &str, rules: &[Rule]) -> Result<&'static str> {
    let text = text.trim_start_matches("pub ");
    let items = rules.iter().map(|rule| rule.item);
    let fitting = items.filter(|item| {
        let rest = text.strip_prefix(item);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    });
    fitting
        .max_by_key(|item| item.len())
        .with_context(|| format!("no line in the poster's table for `{text}`"))
}

fn find_words(row: &Row, rules: &[Rule]) -> Vec<(&'static str, Part)> {
    let rules = rules.iter().filter(|rule| rule.item == row.item);
    rules
        .map(|rule| match rule.words {
            "" if row.starts_item() => (rule.item, rule.part),
            words => (words, rule.part),
        })
        .filter(|(words, _)| !words.starts_with("use") && !words.starts_with("mod"))
        .filter(|(words, _)| !words.is_empty() && row.text.contains(words))
        .collect()
}

/// A line has its own parts, or those of the line that it goes on from or closes, or
/// those of its item.
fn find_parts(row: &Row, above: &[Row], rules: &[Rule]) -> Vec<Part> {
    if row.is_empty() {
        return Vec::new();
    }
    let rules = rules.iter().filter(|rule| rule.item == row.item);
    let (items, lines): (Vec<&Rule>, Vec<&Rule>) = rules.partition(|rule| rule.words.is_empty());
    let own = lines.iter().filter(|rule| row.text.contains(rule.words));
    let own: Vec<Part> = own.map(|rule| rule.part).collect();
    let text = row.text.trim_start();
    let mut above = above.iter().rev().filter(|row| !row.is_empty());
    let opened = if text.starts_with('.') {
        above.find(|other| other.indent() < row.indent())
    } else if text.starts_with(['}', ')']) {
        above.find(|other| other.indent() == row.indent())
    } else {
        None
    };
    match opened {
        _ if !own.is_empty() => own,
        Some(opened) => opened.parts.clone(),
        None => items.iter().map(|rule| rule.part).collect(),
    }
}

fn without_comments(rows: Vec<Row>) -> Vec<Row> {
    let mut left: Vec<Row> = Vec::new();
    for row in rows.into_iter().filter(|row| !row.is_comment()) {
        if !row.is_empty() || left.last().is_some_and(|last| !last.is_empty()) {
            left.push(row);
        }
    }
    left
}

/// A file, folded to the width of a column.
struct File {
    name: &'static str,
    rows: Vec<Row>,
}

impl File {
    fn new(name: &'static str, rows: &[Row]) -> Self {
        let rows = join_comments(rows).iter().flat_map(fold).collect();
        Self { name, rows }
    }

    /// Fills columns from a place on, which is then after the last line.
    fn draw(&self, svg: &mut Svg, place: &mut Place) -> Result<()> {
        if fitting(&self.rows, place.lines() - HEADING_LINES) == 0 {
            place.next_column()?;
        }
        svg.text(place.x(), place.y + 6.0, HEADING, self.name);
        place.y += HEADING_LINES * LINE;
        for Row { text, .. } in &self.rows {
            ensure!(text.chars().count() <= LONGEST, "too long: {text}");
        }
        let mut rest = &self.rows[..];
        loop {
            let (column, after) = rest.split_at(fitting(rest, place.lines()));
            draw_rows(svg, place, column);
            rest = after;
            if rest.is_empty() {
                place.y += GUTTER;
                return Ok(());
            }
            place.next_column()?;
        }
    }
}

fn draw_rows(svg: &mut Svg, place: &mut Place, rows: &[Row]) {
    let mut code = Svg::default();
    for rows in rows.chunk_by(|one, next| one.parts == next.parts) {
        let top = place.y;
        for row in rows {
            draw_row(&mut code, place.y + 0.8 * LINE, row);
            place.y += LINE * row.height();
        }
        let bar = Area::new(place.x() + EDGE - 5.5, top, 2.4, place.y - top);
        draw_bar(svg, bar, &rows[0].parts);
    }
    svg.place(&code, (place.x() + EDGE, 0.0), (NARROWED, 1.0));
}

fn draw_row(svg: &mut Svg, y: f64, row: &Row) {
    let colour = if row.is_comment() { GREY } else { INK };
    let x = row.indent() as f64 * CHARACTER * CODE.size;
    let words = coloured(row.text.trim_start(), &row.words);
    svg.words(x, y, Type { colour, ..CODE }, words.into_iter());
}

/// A bar with a strip and a number for each part.
fn draw_bar(svg: &mut Svg, bar: Area, parts: &[Part]) {
    let set = Type { bold: true, ..CODE };
    let (strip, figure) = (bar.w / parts.len() as f64, CHARACTER * set.size);
    for (index, part) in parts.iter().enumerate() {
        let colour = part.colour();
        let x = bar.x + strip * index as f64;
        svg.rect(Area { x, w: strip, ..bar }, 0.0, filled(colour));
        let x = bar.x - 1.0 - figure * (parts.len() - index) as f64;
        svg.text(
            x,
            bar.y + 0.93 * set.size,
            Type { colour, ..set },
            part.step(),
        );
    }
}

fn filled(fill: &'static str) -> Pen {
    Pen {
        colour: "none",
        width: 0.0,
        fill,
        dashed: false,
    }
}

/// Joins the lines of a comment up to the end of a sentence, to be folded anew.
fn join_comments(rows: &[Row]) -> Vec<Row> {
    let mut joined: Vec<Row> = Vec::new();
    for row in rows {
        match joined.last_mut() {
            Some(last) if last.goes_on_in(row) => {
                last.text.push(' ');
                last.text.push_str(row.comment().1);
            }
            _ => joined.push(row.clone()),
        }
    }
    joined
}

/// Breaks a line that is too long.
fn fold(row: &Row) -> Vec<Row> {
    let margin = if row.is_comment() {
        row.comment().0.to_owned()
    } else {
        " ".repeat(row.indent() + 4)
    };
    let mut pieces = Vec::new();
    let mut rest = row.clone();
    while let Some(end) = fold_at(&rest) {
        let (head, tail) = rest.text.split_at(end);
        let tail = format!("{margin}{}", tail.trim_start());
        pieces.push(Row {
            text: head.to_owned(),
            ..row.clone()
        });
        rest.text = tail;
    }
    pieces.push(rest);
    pieces
}

/// In front of `&&`, else of a method, else at a space.
fn fold_at(row: &Row) -> Option<usize> {
    let (end, _) = row.text.char_indices().nth(LONGEST)?;
    let start = row.indent() + row.comment().0.trim_start().len();
    let text = &row.text[start..end];
    let method = |(dot, _): &(usize, &str)| {
        let (before, after) = text.split_at(*dot);
        before.ends_with([')', '?']) && after[1..].starts_with(|c: char| c.is_lowercase())
    };
    let and = text.rmatch_indices("&& ").next();
    let fold = and.filter(|(and, _)| *and > 0);
    let fold = fold.or_else(|| text.rmatch_indices('.').find(method));
    let fold = fold.or_else(|| text.rmatch_indices(' ').next());
    // What is left has to get shorter, in spite of its margin.
    fold.filter(|(fold, _)| *fold > 4)
        .map(|(fold, _)| start + fold)
}

/// How many rows fit, to the end of an item.
fn fitting(rows: &[Row], lines: f64) -> usize {
    let mut height = 0.0;
    let mut fitting = 0;
    for (index, row) in rows.iter().enumerate() {
        height += row.height();
        if height > lines {
            break;
        }
        let next = rows.get(index + 1);
        if next.is_none_or(|next| row.is_empty() && next.indent() == 0) {
            fitting = index + 1;
        }
    }
    fitting
}

/// Cuts a text into pieces, so that each of the words is one, with its colour.
fn coloured<'a>(text: &'a str, words: &[(&str, Part)]) -> Vec<(&'a str, Option<&'static str>)> {
    let places = words.iter().filter_map(|(words, part)| {
        let start = text.find(words)?;
        Some((start, start + words.len(), part.colour()))
    });
    let mut places: Vec<_> = places.collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut done = 0;
    for (start, end, colour) in places {
        if start < done {
            continue;
        }
        pieces.push((&text[done..start], None));
        pieces.push((&text[start..end], Some(colour)));
        done = end;
    }
    pieces.push((&text[done..], None));
    pieces
}
