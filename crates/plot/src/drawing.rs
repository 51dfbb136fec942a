//! Drawings, and the forms that they are written in.

use std::path::Path;

use thiserror::Error;

use crate::{
    Chart, HeatMap,
    canvas::Canvas,
    chart, heat_map,
    raster::{Lacking, Raster},
    svg::Svg,
};

/// The most pixels of an image; 800 MB while it is drawn.
const MAX_PIXELS: f64 = 2e8;

/// A drawing that can be written to a file.
///
/// ```
/// use attentive_plot::{Drawing, HeatMap};
///
/// let labels = |labels: [&str; 2]| labels.map(String::from).to_vec();
/// let map = HeatMap {
///     title: "layer 1".into(),
///     rows: labels(["it", "was"]),
///     columns: labels(["the", "animal"]),
///     values: vec![0.1, 0.9, 0.5, 0.5],
/// };
/// let drawing = Drawing::Maps { maps: vec![map], across: 1 };
/// assert!(drawing.to_svg().contains("animal"));
/// assert!(drawing.to_png()?.starts_with(b"\x89PNG"));
/// # Ok::<(), attentive_plot::DrawingError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    /// Charts, one below another.
    Charts(Vec<Chart>),
    /// Maps in rows.
    Maps {
        /// The maps, from left to right and from top to bottom.
        maps: Vec<HeatMap>,
        /// Maps in a row.
        across: usize,
    },
    /// An SVG document, which may move.
    Svg(String),
}

/// The form of a drawing's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Scalable vector graphics: text, sharp at any size.
    Svg,
    /// An image of pixels.
    Png,
}

/// A drawing that can't be written as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DrawingError {
    /// A file's name does not say its form.
    #[error("a drawing's name ends with .svg or .png")]
    Name,
    /// The drawing is an SVG document.
    #[error("this drawing is written as .svg alone: end the file's name so")]
    OnlySvg,
    /// The image would have too many pixels.
    #[error("an image of {width} × {height} pixels is too large: end the file's name with .svg")]
    TooLarge {
        /// Pixels of a row.
        width: u64,
        /// Rows.
        height: u64,
    },
}

impl Format {
    /// The form that a file's name ends with, in letters of either case.
    ///
    /// # Errors
    /// [`DrawingError::Name`].
    pub fn of(path: &Path) -> Result<Self, DrawingError> {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        match ending.to_str() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => Err(DrawingError::Name),
        }
    }
}

impl Drawing {
    /// The drawing in a form, as a file's bytes.
    ///
    /// # Errors
    /// Those of [`Drawing::to_png`].
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>, DrawingError> {
        match format {
            Format::Svg => Ok(self.to_svg().into_bytes()),
            Format::Png => self.to_png(),
        }
    }

    /// The drawing as an SVG document.
    ///
    /// # Panics
    /// If a map does not have a value for each row and column; so does [`Drawing::to_png`].
    pub fn to_svg(&self) -> String {
        if let Self::Svg(document) = self {
            return document.clone();
        }
        let [width, height] = self.size();
        let mut page = Svg::new(width, height);
        self.draw(&mut page);
        page.finish()
    }

    /// The drawing as a PNG image of twice its size in pixels, for sharp screens.
    ///
    /// The font, Noto Sans Mono, is compiled in, so that nothing depends on the fonts of a system; a letter that it does not
    /// have is drawn as `?`, and [`Drawing::lacking`] tells.
    ///
    /// # Errors
    /// [`DrawingError::OnlySvg`], [`DrawingError::TooLarge`].
    pub fn to_png(&self) -> Result<Vec<u8>, DrawingError> {
        if let Self::Svg(_) = self {
            return Err(DrawingError::OnlySvg);
        }
        let [width, height] = self.size().map(|side| (side * Raster::SCALE).ceil().max(1.0));
        if width * height > MAX_PIXELS {
            return Err(DrawingError::TooLarge { width: width as u64, height: height as u64 });
        }
        let mut page = Raster::new(width as u32, height as u32);
        self.draw(&mut page);
        Ok(page.finish())
    }

    /// The first letter that an image has as `?`, if there is one.
    pub fn lacking(&self) -> Option<char> {
        let mut lacking = Lacking::default();
        self.draw(&mut lacking);
        lacking.0
    }

    /// Draws charts or maps; a document is drawn already.
    fn draw(&self, canvas: &mut impl Canvas) {
        match self {
            Self::Charts(charts) => chart::draw(charts, canvas),
            Self::Maps { maps, across } => heat_map::draw(maps, *across, canvas),
            Self::Svg(_) => {}
        }
    }

    /// Width and height, in points.
    fn size(&self) -> [f64; 2] {
        match self {
            Self::Charts(charts) => [chart::WIDTH, chart::HEIGHT * charts.len() as f64],
            Self::Maps { maps, across } => heat_map::size(maps, *across),
            Self::Svg(_) => [0.0; 2],
        }
    }
}

impl From<Vec<Chart>> for Drawing {
    fn from(charts: Vec<Chart>) -> Self {
        Self::Charts(charts)
    }
}

impl From<Chart> for Drawing {
    fn from(chart: Chart) -> Self {
        Self::Charts(vec![chart])
    }
}

impl From<HeatMap> for Drawing {
    fn from(map: HeatMap) -> Self {
        Self::Maps { maps: vec![map], across: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_by_names() {
        for (name, format) in [("a.svg", Format::Svg), ("b.PNG", Format::Png), ("c.svg.png", Format::Png)] {
            assert_eq!(Format::of(name.as_ref()), Ok(format));
        }
        for name in ["a", "a.jpg", "svg", ""] {
            assert_eq!(Format::of(name.as_ref()), Err(DrawingError::Name));
        }
    }

    #[test]
    fn letters_that_images_lack_are_told() {
        let map = |label: &str| HeatMap {
            title: "Ġé".into(),
            rows: vec!["a".into()],
            columns: vec![label.into()],
            values: vec![1.0],
        };
        assert_eq!(Drawing::from(map("ß?")).lacking(), None);
        assert_eq!(Drawing::from(map("a字母")).lacking(), Some('字'));
    }

    #[test]
    fn images_that_can_not_be_made_are_refused() {
        assert_eq!(Drawing::Svg("<svg/>".into()).to_png(), Err(DrawingError::OnlySvg));
        let labels = vec![String::new(); 10_000];
        let wide =
            HeatMap { title: String::new(), rows: labels.clone(), columns: labels, values: vec![0.0; 100_000_000] };
        let refused = Drawing::from(wide).to_png().unwrap_err();
        assert_eq!(refused, DrawingError::TooLarge { width: 40_072, height: 40_108 });
    }
}
