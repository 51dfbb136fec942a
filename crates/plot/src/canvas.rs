//! The surface that charts are drawn on.

/// An opaque colour: red, green, blue.
pub(crate) type Colour = [u8; 3];

/// The part of a text that its `x` is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// The look of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    pub(crate) anchor: Anchor,
    pub(crate) colour: Colour,
    pub(crate) is_bold: bool,
    /// Whether it is read from below to above.
    pub(crate) is_turned: bool,
}

impl TextStyle {
    /// Black, from left to right.
    pub(crate) fn plain(anchor: Anchor) -> Self {
        Self { anchor, colour: [0; 3], is_bold: false, is_turned: false }
    }
}

/// A page for lines, areas and texts; units are points of a screen, and (0, 0) is its upper left corner.
pub(crate) trait Canvas {
    /// A line through points.
    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64);

    /// Filled rectangles of one colour: left, top, width and height of each.
    fn cells(&mut self, cells: &[[f64; 4]], colour: Colour);

    /// A filled circle.
    fn dot(&mut self, centre: (f64, f64), radius: f64, colour: Colour);

    /// A text; `at` is on its baseline.
    fn text(&mut self, at: (f64, f64), text: &str, style: TextStyle);
}
