//! Paths over a landscape of two values, which move, as SVG.

use std::fmt::Write;

use crate::{
    Axis,
    canvas::{Anchor, Canvas, TextStyle},
    chart::{COLOURS, GRID},
    svg::{Svg, hex},
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 480.0;
/// Margins for labels: left, right, top, bottom.
const MARGINS: [f64; 4] = [48.0, 16.0, 32.0, 32.0];
/// Cells of the grid, across and down, that contours are found in.
const CELLS: [usize; 2] = [120, 80];
/// Places of a path that are shown one after another.
const MAX_FRAMES: usize = 150;

/// A function of two values, drawn by its contours, and paths over it.
///
/// ```
/// use attentive_plot::Landscape;
///
/// let bowl = Landscape {
///     title: "x² + y²".into(),
///     x: [-1.0, 1.0],
///     y: [-1.0, 1.0],
///     height: &|x, y| x * x + y * y,
///     levels: vec![0.25, 1.0],
///     paths: vec![("down".into(), vec![(0.9, 0.5), (0.4, 0.2), (0.0, 0.0)])],
///     seconds: 4.0,
/// };
/// assert!(bowl.to_svg().contains("<animate "));
/// ```
pub struct Landscape<'a> {
    /// What is drawn.
    pub title: String,
    /// The least and the greatest value across, between which the drawing reaches at least.
    pub x: [f64; 2],
    /// The same, upwards.
    pub y: [f64; 2],
    /// The function.
    pub height: &'a dyn Fn(f64, f64) -> f64,
    /// The values whose contours are drawn.
    pub levels: Vec<f64>,
    /// Paths by name, a place for each step.
    pub paths: Vec<(String, Vec<(f64, f64)>)>,
    /// Time that the paths take, which begin again then.
    pub seconds: f64,
}

impl std::fmt::Debug for Landscape<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Landscape").field("title", &self.title).finish_non_exhaustive()
    }
}

impl Landscape<'_> {
    /// The drawing: contours, each whole path as a thin line, and a dot that goes along it. A path ends where it leaves the
    /// drawing or has no finite place.
    pub fn to_svg(&self) -> String {
        let [left, right, top, bottom] = MARGINS;
        let (x_axis, y_axis) = (Axis::over(self.x), Axis::over(self.y));
        let place = |(x, y): (f64, f64)| {
            (
                left + x_axis.place(x) * (WIDTH - left - right),
                HEIGHT - bottom - y_axis.place(y) * (HEIGHT - top - bottom),
            )
        };
        let mut page = Svg::new(WIDTH, HEIGHT);
        page.text((left, top - 12.0), &self.title, TextStyle { is_bold: true, ..TextStyle::plain(Anchor::Start) });
        for (value, label) in x_axis.ticks() {
            page.text((place((value, 0.0)).0, HEIGHT - bottom + 18.0), &label, TextStyle::plain(Anchor::Middle));
        }
        for (value, label) in y_axis.ticks() {
            page.text((left - 6.0, place((0.0, value)).1 + 4.0), &label, TextStyle::plain(Anchor::End));
        }
        page.push(format_args!(
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\"/>",
            self.contours([x_axis, y_axis], place),
            hex(GRID)
        ));
        for (idx, (name, path)) in self.paths.iter().enumerate() {
            let colour = COLOURS[idx % COLOURS.len()];
            let is_inside = |&&(x, y): &&(f64, f64)| {
                (x_axis.low..=x_axis.high).contains(&x) && (y_axis.low..=y_axis.high).contains(&y)
            };
            let places: Vec<(f64, f64)> = path.iter().take_while(is_inside).map(|&at| place(at)).collect();
            page.text(
                (WIDTH - right - 6.0, top + 16.0 * (idx + 1) as f64),
                name,
                TextStyle { colour, ..TextStyle::plain(Anchor::End) },
            );
            let Some(&(x, y)) = places.last() else { continue };
            page.line(&places, colour, 1.0);
            let every = places.len().div_ceil(MAX_FRAMES);
            let frames = || places.iter().step_by(every).chain(places.last());
            let (mut xs, mut ys) = (String::new(), String::new());
            for (x, y) in frames() {
                write!(xs, "{x:.1};").expect("a string takes all");
                write!(ys, "{y:.1};").expect("a string takes all");
            }
            let animate = |name: &str, values: &str| {
                let values = values.trim_end_matches(';');
                let seconds = self.seconds;
                format!(
                    "<animate attributeName=\"{name}\" values=\"{values}\" dur=\"{seconds}s\" repeatCount=\"indefinite\"/>"
                )
            };
            page.push(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{}\">{}{}</circle>",
                hex(colour),
                animate("cx", &xs),
                animate("cy", &ys)
            ));
        }
        page.finish()
    }

    /// The contours, as pieces of lines: one from edge to edge of each cell that a level passes through, two of a saddle.
    fn contours(&self, [x_axis, y_axis]: [Axis; 2], place: impl Fn((f64, f64)) -> (f64, f64)) -> String {
        let at = |axis: Axis, idx: usize, n: usize| axis.low + (axis.high - axis.low) * idx as f64 / n as f64;
        let [across, down] = CELLS;
        let corner = |column: usize, row: usize| {
            let (x, y) = (at(x_axis, column, across), at(y_axis, row, down));
            (x, y, (self.height)(x, y))
        };
        let mut path = String::new();
        for (row, column) in (0..down).flat_map(|row| (0..across).map(move |column| (row, column))) {
            let corners = [(0, 0), (1, 0), (1, 1), (0, 1)].map(|(right, above)| corner(column + right, row + above));
            for &level in &self.levels {
                let crossing = |edge: usize| {
                    let ((x0, y0, h0), (x1, y1, h1)) = (corners[edge], corners[(edge + 1) % 4]);
                    let is_crossed = (h0 < level) != (h1 < level);
                    let share = (level - h0) / (h1 - h0);
                    is_crossed.then(|| place((x0 + share * (x1 - x0), y0 + share * (y1 - y0))))
                };
                let crossings: Vec<(f64, f64)> = (0..4).filter_map(crossing).collect();
                for pair in crossings.chunks_exact(2) {
                    let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
                    write!(path, "M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}").expect("a string takes all");
                }
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contours_lie_at_their_level() {
        let height = |x: f64, y: f64| x * x + 2.0 * y * y;
        let bowl = Landscape {
            title: String::new(),
            x: [-2.0, 2.0],
            y: [-2.0, 2.0],
            height: &height,
            levels: vec![1.0],
            paths: Vec::new(),
            seconds: 1.0,
        };
        let n_ends = std::cell::Cell::new(0);
        bowl.contours([Axis::over(bowl.x), Axis::over(bowl.y)], |(x, y)| {
            // Cells are small, and the function bends little within one.
            assert!((height(x, y) - 1.0).abs() < 0.01, "({x}, {y})");
            n_ends.set(n_ends.get() + 1);
            (x, y)
        });
        assert!(n_ends.get() > 100);
    }

    #[test]
    fn a_path_ends_where_it_leaves_the_drawing() {
        let path = |places: &[(f64, f64)]| {
            let paths = vec![("p".to_owned(), places.to_vec())];
            let (x, y) = ([0.0, 1.0], [0.0, 1.0]);
            Landscape { title: "t".into(), x, y, height: &|_, _| 0.0, levels: Vec::new(), paths, seconds: 1.0 }.to_svg()
        };
        let whole = path(&[(0.1, 0.1), (0.5, 0.5)]);
        assert_eq!(whole, path(&[(0.1, 0.1), (0.5, 0.5), (2.0, 0.5), (0.9, 0.9)]));
        assert_eq!(whole, path(&[(0.1, 0.1), (0.5, 0.5), (f64::NAN, 0.5)]));
        assert!(!path(&[(2.0, 2.0)]).contains("<animate"));
    }
}
