//! What a failure says of a program: what was run, and as much of its output as one reads.

use contract::failure::Failure;

/// What was run.
pub fn run(words: &str) -> Failure {
    Failure {
        ran: words.to_owned(),
        ..Failure::default()
    }
}

/// More than this no program has to say.
pub const MOST_OUTPUT: u64 = 1 << 20;

/// How much of it a report shows: so many lines from the beginning and the end, and of each
/// so many characters.
const SHOWN: (usize, usize) = (20, 200);

/// As much of what was written as a report shows.
pub fn shortened(text: &str) -> String {
    let (count, width) = SHOWN;
    let text = text.replace('\r', "");
    let all: Vec<&str> = text.trim_end().split('\n').collect();
    let all = all.chunk_by(|one, other| one == other);
    let mut lines: Vec<String> = all
        .map(|equal| {
            let start: String = equal[0].chars().take(width).collect();
            let more = if start.len() < equal[0].len() {
                "…"
            } else {
                ""
            };
            let times = match equal.len() {
                1 => String::new(),
                times => format!("  ({times} times)"),
            };
            format!("{start}{more}{times}")
        })
        .collect();
    if let Some(left_out @ 1..) = lines.len().checked_sub(2 * count) {
        let middle = format!("… and so on, {left_out} lines …");
        lines.splice(count..count + left_out, [middle]);
    }
    lines.join("\n")
}
