//! Drawings as SVG.

use std::fmt::Write;

use crate::canvas::{Anchor, Canvas, Colour, TextStyle};

/// An SVG document that is being written.
pub(crate) struct Svg(String);

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        ))
    }

    pub(crate) fn finish(self) -> String {
        self.0 + "</svg>\n"
    }

    pub(crate) fn push(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{element}").expect("a string takes all");
    }
}

impl Canvas for Svg {
    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) {
        let mut path = String::new();
        for (idx, (x, y)) in points.iter().enumerate() {
            let command = if idx == 0 { 'M' } else { 'L' };
            write!(path, "{command}{x:.1} {y:.1}").expect("a string takes all");
        }
        let colour = hex(colour);
        self.push(format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"));
    }

    fn cells(&mut self, cells: &[[f64; 4]], colour: Colour) {
        let mut path = String::new();
        for [x, y, width, height] in cells {
            write!(path, "M{x:.1} {y:.1}h{width:.1}v{height:.1}h-{width:.1}z").expect("a string takes all");
        }
        self.push(format_args!("<path d=\"{path}\" fill=\"{}\"/>", hex(colour)));
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: Colour) {
        self.push(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>", hex(colour)));
    }

    fn text(&mut self, (x, y): (f64, f64), text: &str, style: TextStyle) {
        let text = escaped(text);
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if style.is_bold { " font-weight=\"bold\"" } else { "" };
        let turn = if style.is_turned { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
        let colour = hex(style.colour);
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{weight}{turn}>{text}</text>"
        ));
    }
}

/// A text as SVG has it in an element: escaped; characters that XML does not have, and other control characters, as the sign
/// for what can't be shown.
///
/// ```
/// assert_eq!(attentive_plot::escaped("a < b\u{1b}"), "a &lt; b\u{fffd}");
/// ```
pub fn escaped(text: &str) -> String {
    let is_hidden = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(is_hidden, "\u{fffd}").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(crate) fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
