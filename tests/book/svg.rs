//! A few shapes as SVG text. Lengths are in the units of the drawing's viewBox.

use std::fmt::{Display, Write};

/// The widest that a character gets, in em: DejaVu Sans Mono's are 0.602 wide. Most
/// of a proportional font's are narrower.
pub const CHARACTER: f64 = 0.602;

#[derive(Clone, Copy)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Area {
    pub const fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    pub fn bottom(self) -> f64 {
        self.y + self.h
    }

    pub fn middle(self) -> (f64, f64) {
        (self.x + self.w / 2.0, self.y + self.h / 2.0)
    }
}

/// How an outline is drawn and filled.
#[derive(Clone, Copy)]
pub struct Pen {
    pub colour: &'static str,
    pub width: f64,
    pub fill: &'static str,
    pub dashed: bool,
}

/// How a text is set.
#[derive(Clone, Copy)]
pub struct Type {
    pub family: &'static str,
    pub size: f64,
    pub colour: &'static str,
    pub bold: bool,
}

#[derive(Default)]
pub struct Svg(String);

impl Svg {
    /// The whole file: `body` on a sheet, with a text alternative.
    pub fn file(self, sheet: &Sheet) -> String {
        let Sheet { id, size, view, .. } = sheet;
        let (title, text) = (escape(sheet.title), escape(sheet.text));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
             viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
             <title id=\"{id}-title\">{title}</title>\n\
             <desc id=\"{id}-desc\">{text}</desc>\n{}</svg>\n",
            size.0, size.1, view.0, view.1, self.0
        )
    }

    /// On paper, the drawing fills a sheet of this size.
    pub fn print_on(&mut self, size: &str) {
        self.add(format_args!(
            "<style>@page {{ size: {size}; margin: 0 }}</style>"
        ));
    }

    /// Adds what has been drawn elsewhere, moved to (x, y) and made larger or smaller.
    pub fn place(&mut self, other: &Self, (x, y): (f64, f64), (wide, high): (f64, f64)) {
        let (x, y) = (round(x), round(y));
        self.add(format_args!(
            "<g transform=\"translate({x} {y}) scale({wide} {high})\">\n{}</g>",
            other.0
        ));
    }

    pub fn rect(&mut self, area: Area, radius: f64, pen: Pen) {
        let [x, y, w, h] = [area.x, area.y, area.w, area.h].map(round);
        self.add(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{radius}\" {}/>",
            outline(pen)
        ));
    }

    pub fn circle(&mut self, (x, y): (f64, f64), radius: f64, pen: Pen) {
        let [x, y] = [x, y].map(round);
        self.add(format_args!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {}/>",
            outline(pen)
        ));
    }

    /// A line through points.
    pub fn line(&mut self, points: &[(f64, f64)], pen: Pen) {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{},{}", round(*x), round(*y)))
            .collect();
        self.add(format_args!(
            "<polyline points=\"{}\" {}/>",
            points.join(" "),
            outline(Pen {
                fill: "none",
                ..pen
            })
        ));
    }

    /// A line through points, that ends downwards in an arrowhead at the last.
    pub fn arrow(&mut self, points: &[(f64, f64)], pen: Pen) {
        let mut points = points.to_vec();
        let Some((x, y)) = points.pop() else { return };
        let half = 5.0 + pen.width;
        let back = y - 2.0 * half;
        points.push((x, back));
        self.line(&points, pen);
        let (left, right) = (x - half, x + half);
        self.add(format_args!(
            "<polygon points=\"{left},{back} {right},{back} {x},{y}\" fill=\"{}\"/>",
            pen.colour
        ));
    }

    /// A text that starts at x, with its baseline at y.
    pub fn text(&mut self, x: f64, y: f64, set: Type, text: impl Display) {
        self.anchored("start", x, y, set, &escape(&text.to_string()));
    }

    /// A text around the middle of an area, which has to be wide enough for it.
    pub fn centred(&mut self, area: Area, set: Type, text: impl Display) {
        let text = text.to_string();
        let width = CHARACTER * set.size * text.chars().count() as f64;
        assert!(width <= area.w, "{text:?} is wider than its box");
        let (x, y) = area.middle();
        self.anchored("middle", x, y + 0.35 * set.size, set, &escape(&text));
    }

    /// A text of words that may have colours of their own.
    pub fn words<'a>(
        &mut self,
        x: f64,
        y: f64,
        set: Type,
        words: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    ) {
        let words: String = words
            .map(|(word, colour)| match colour {
                Some(colour) => format!(
                    "<tspan fill=\"{colour}\" font-weight=\"bold\">{}</tspan>",
                    escape(word)
                ),
                None => escape(word),
            })
            .collect();
        self.anchored("start", x, y, set, &words);
    }

    fn anchored(&mut self, anchor: &str, x: f64, y: f64, set: Type, content: &str) {
        let [x, y, size] = [x, y, set.size].map(round);
        let anchor = match anchor {
            "start" => String::new(),
            anchor => format!(" text-anchor=\"{anchor}\""),
        };
        let bold = if set.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let (family, colour) = (set.family, set.colour);
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-family=\"{family}\" font-size=\"{size}\" \
             fill=\"{colour}\"{anchor}{bold}>{content}</text>"
        ));
    }

    fn add(&mut self, element: impl Display) {
        writeln!(self.0, "{element}").expect("a String takes all");
    }
}

/// What is outside the drawing.
pub struct Sheet<'a> {
    /// What the ids in this file begin with.
    pub id: &'a str,
    pub title: &'a str,
    /// What the drawing shows, for those who cannot see it.
    pub text: &'a str,
    /// Width and height, with units if they are not pixels.
    pub size: (String, String),
    pub view: (f64, f64),
}

fn outline(pen: Pen) -> String {
    let Pen {
        colour,
        width,
        fill,
        dashed,
    } = pen;
    let dashes = if dashed {
        " stroke-dasharray=\"6 5\""
    } else {
        ""
    };
    match width {
        0.0 => format!("fill=\"{fill}\""),
        _ => format!("fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}"),
    }
}

/// Hundredths are enough, and the same on every machine.
fn round(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
