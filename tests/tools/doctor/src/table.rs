//! Two columns of plain text, 80 characters wide.

const WIDTH: usize = 80;

/// Where the right column begins.
const COLUMN: usize = 17;

/// What stands before advice.
const ARROW: &str = "->";

/// A row: the left cell, and the lines of the right one folded beside it.
pub fn row(left: &str, right: &str) -> String {
    let mut text = String::new();
    let mut label = left;
    for line in right.lines().flat_map(|line| fold(line, WIDTH - COLUMN)) {
        text.push_str(format!("{label:COLUMN$}{line}").trim_end());
        text.push('\n');
        label = "";
    }
    text
}

/// Breaks a line between its words, but never within a `command`. A line that begins with
/// a space is a command too, and stays as it is. Under advice, the arrow stands alone.
fn fold(line: &str, width: usize) -> Vec<String> {
    if line.starts_with(' ') {
        return vec![line.to_owned()];
    }
    let indent = if line.starts_with(ARROW) { "   " } else { "" };
    let mut lines = vec![String::new()];
    for word in words(line) {
        let last = lines.len() - 1;
        let length = lines[last].chars().count() + 1 + word.chars().count();
        if lines[last].is_empty() {
            lines[last] = word.to_owned();
        } else if length <= width || lines[last] == ARROW {
            lines[last] = format!("{} {word}", lines[last]);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines
}

/// The words of a line. What stands between two backticks is part of one word.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut is_command = false;
    line.split(move |letter| {
        is_command ^= letter == '`';
        letter == ' ' && !is_command
    })
}
