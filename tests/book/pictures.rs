//! The picture of each step and the overview, cut out of one drawing, `book/drawing.svg`, whose
//! first lines say how a part of it tells in which of them it is.

use std::ops::{Range, RangeInclusive};

use anyhow::{Context, Result, ensure};
use course::STEPS;
use roxmltree::{Document, Node};

/// Later than all steps: everything is there, and nothing new. The last is on a dark ground.
const OVERVIEWS: [&str; 2] = ["overview", "overview-dark"];
const LAST: u8 = 10;

/// The size of letters, and the most of it that one of them is wide: DejaVu Sans Mono's are.
const LETTER: f64 = 20.0;
const WIDTH: f64 = 0.602;

/// All pictures, by name.
pub fn all(drawing: &str) -> Result<Vec<(&'static str, String)>> {
    let names = STEPS.into_iter().chain(OVERVIEWS);
    let drawing = Document::parse(drawing).context("parse the drawing")?;
    words_fit(&drawing)?;
    (1..=LAST)
        .zip(names)
        .map(|(step, name)| Ok((name, cut(&drawing, step, name)?)))
        .collect()
}

/// What a picture has of the drawing, with `new` in the class of what is new.
fn cut(drawing: &Document, step: u8, name: &str) -> Result<String> {
    let mut edits = vec![head(drawing, step, name)?];
    for node in drawing.descendants() {
        let steps = steps(node)?;
        if node.is_comment() || !steps.contains(&step) {
            edits.push((node.range(), String::new()));
        } else if let Some(mark) = node.attribute_node("data-steps") {
            let id = match node.tag_name().name() {
                part @ ("title" | "desc") => format!(" id=\"{name}-{part}\""),
                _ => String::new(),
            };
            let range = mark.range();
            edits.push((range.start - 1..range.end, id));
            let class = node.attribute_node("class");
            if let Some(class) = class.filter(|_| *steps.start() == step) {
                let start = class.range_value().start;
                edits.push((start..start, "new ".into()));
            }
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut text = String::new();
    let mut done = 0;
    for (range, new) in edits {
        // Else it is in a part that is left out.
        if range.start >= done {
            text += &drawing.input_text()[done..range.start];
            text += &new;
            done = range.end;
        }
    }
    text += &drawing.input_text()[done..];
    // In a page, a blank line would end the picture.
    let lines = text.lines().filter(|line| !line.is_empty());
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

/// The steps in whose pictures a part of the drawing is.
fn steps(part: Node) -> Result<RangeInclusive<u8>> {
    let Some(steps) = part.attribute("data-steps") else {
        return Ok(0..=LAST);
    };
    let (first, last) = steps.split_once('-').unwrap_or((steps, steps));
    let number = |text: &str| {
        text.parse()
            .with_context(|| format!("data-steps=\"{steps}\""))
    };
    let last = if last.is_empty() { LAST } else { number(last)? };
    Ok(number(first)?..=last)
}

/// What the picture as a whole is called, and its size: that of its ground. On a page the
/// letters are as high as the page's, when there is room for that.
fn head(drawing: &Document, step: u8, name: &str) -> Result<(Range<usize>, String)> {
    let mut grounds = drawing.descendants().filter(|part| {
        let is_in = steps(*part).is_ok_and(|steps| steps.contains(&step));
        is_in && part.attribute("class") == Some("ground")
    });
    let ground = grounds.next().context("find the ground of a picture")?;
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|side| length(ground, side));
    let (width, height) = (width?, height?);
    let role = drawing.root_element().attribute_node("role");
    let start = role.context("find the drawing's role")?.range().start;
    let head = format!(
        "class=\"drawing {name}\" width=\"{}\" height=\"{}\" viewBox=\"{} {} {width} {height}\" \
         aria-labelledby=\"{name}-title {name}-desc\" ",
        (0.8 * width).round(),
        (0.8 * height).round(),
        x?,
        y?,
    );
    Ok((start..start, head))
}

fn length(part: Node, side: &str) -> Result<f64> {
    let length = part.attribute(side).context("find the size of a part")?;
    length
        .parse()
        .with_context(|| format!("{side}=\"{length}\""))
}

/// No word is wider than its box.
fn words_fit(drawing: &Document) -> Result<()> {
    for word in drawing
        .descendants()
        .filter(|part| part.has_tag_name("text"))
    {
        let rect = word.prev_sibling_element();
        if let Some(rect) = rect.filter(|part| part.has_tag_name("rect")) {
            let text = word.text().unwrap_or_default();
            let is_in = WIDTH * LETTER * text.chars().count() as f64 <= length(rect, "width")?;
            ensure!(is_in, "{text:?} is wider than its box");
        }
    }
    Ok(())
}
