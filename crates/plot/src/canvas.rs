//! The surface that charts are drawn on.

use crate::{raster::Raster, svg::Svg};

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
}

/// A page for lines and texts; units are points of a screen, and (0, 0) is its upper left corner.
pub(crate) trait Canvas {
    /// A line through points.
    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64);

    /// A filled circle.
    fn dot(&mut self, centre: (f64, f64), radius: f64, colour: Colour);

    /// A text; `at` is on its baseline.
    fn text(&mut self, at: (f64, f64), text: &str, style: TextStyle);
}

/// Charts one below another, as one SVG document.
pub fn to_svg(charts: &[crate::Chart]) -> String {
    let mut page = Svg::new(crate::chart::WIDTH, crate::chart::HEIGHT * charts.len() as f64);
    crate::chart::draw(charts, &mut page);
    page.finish()
}

/// Charts one below another, as a PNG image of twice their size in pixels, for sharp screens.
///
/// The font, Noto Sans Mono, is compiled in, so that nothing depends on the fonts of a system; a letter beyond Latin-1
/// is drawn as `?`.
///
/// # Panics
/// If there are more charts than fit in an image, about 60,000.
pub fn to_png(charts: &[crate::Chart]) -> Vec<u8> {
    let mut page = Raster::new(crate::chart::WIDTH, crate::chart::HEIGHT * charts.len().max(1) as f64);
    crate::chart::draw(charts, &mut page);
    page.finish()
}
