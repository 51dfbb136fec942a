//! Matrices as coloured cells, as SVG.

use std::fmt::Write;

use crate::svg::escaped;

/// Longer side of a map, and least and greatest side of a cell.
const SIDE: f64 = 360.0;
const CELL: [f64; 2] = [2.0, 18.0];
/// Shades of a colour.
const N_SHADES: usize = 40;
/// Space of a label's character, and between maps.
const CHARACTER: f64 = 6.5;
const GAP: f64 = 24.0;
/// Blue for values above zero, vermilion for values below (Okabe and Ito 2008).
const ABOVE: [f64; 3] = [0.0, 114.0, 178.0];
const BELOW: [f64; 3] = [213.0, 94.0, 0.0];

/// A matrix, drawn as cells from white at zero to full colour at the value farthest from zero.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// The quantity that is drawn.
    pub title: String,
    /// A label for each row; empty ones are left out, as are labels that would overlap.
    pub rows: Vec<String>,
    /// A label for each column.
    pub columns: Vec<String>,
    /// Row by row: `rows.len() · columns.len()` values; values that are not finite stay white.
    pub values: Vec<f64>,
}

/// Maps in rows of `across`, as one SVG document.
///
/// # Panics
/// If a map does not have a value for each row and column.
///
/// ```
/// use attentive_plot::{HeatMap, heat_maps};
///
/// let labels = |labels: [&str; 2]| labels.map(String::from).to_vec();
/// let map = HeatMap {
///     title: "layer 1".into(),
///     rows: labels(["it", "was"]),
///     columns: labels(["the", "animal"]),
///     values: vec![0.1, 0.9, 0.5, 0.5],
/// };
/// assert!(heat_maps(&[map], 1).contains("animal"));
/// ```
pub fn heat_maps(maps: &[HeatMap], across: usize) -> String {
    let mut body = String::new();
    let (mut width, mut top) = (0.0_f64, 0.0);
    for line in maps.chunks(across.max(1)) {
        let (mut left, mut height) = (0.0, 0.0_f64);
        for map in line {
            let [map_width, map_height] = map.size();
            write!(body, "<g transform=\"translate({left:.1} {top:.1})\">\n{}</g>\n", map.draw()).expect("in memory");
            left += map_width;
            height = height.max(map_height);
        }
        width = width.max(left);
        top += height;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {top:.1}\" width=\"{width:.1}\" height=\"{top:.1}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

impl HeatMap {
    fn cell(&self) -> f64 {
        (SIDE / self.rows.len().max(self.columns.len()).max(1) as f64).clamp(CELL[0], CELL[1])
    }

    /// The upper left corner of the cells: right of the rows' labels, below the title and the columns' labels.
    fn corner(&self) -> [f64; 2] {
        let longest =
            |labels: &[String]| labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) as f64 * CHARACTER;
        [longest(&self.rows) + 12.0, longest(&self.columns) + 30.0]
    }

    fn size(&self) -> [f64; 2] {
        let ([left, top], cell) = (self.corner(), self.cell());
        let title = self.title.chars().count() as f64 * CHARACTER;
        [(left + self.columns.len() as f64 * cell).max(title) + GAP, top + self.rows.len() as f64 * cell + GAP]
    }

    fn draw(&self) -> String {
        assert_eq!(self.values.len(), self.rows.len() * self.columns.len(), "a value for each row and column");
        let ([left, top], cell, n_columns) = (self.corner(), self.cell(), self.columns.len());
        let farthest = self.values.iter().filter(|value| value.is_finite()).fold(0.0_f64, |far, v| far.max(v.abs()));
        let shade = |value: f64| {
            let share = if value.is_finite() && farthest > 0.0 { value / farthest } else { 0.0 };
            (share * N_SHADES as f64).round() as i64
        };
        let mut svg = text(6.0, 16.0, "start", &self.title, " font-weight=\"bold\"");
        // A path for each shade, of runs of cells: far shorter than a rectangle for each cell.
        let mut paths = std::collections::BTreeMap::<i64, String>::new();
        for (row, values) in self.values.chunks(n_columns.max(1)).enumerate() {
            let mut at = 0;
            for run in values.chunk_by(|&a, &b| shade(a) == shade(b)) {
                let (x, y, width) = (left + at as f64 * cell, top + row as f64 * cell, run.len() as f64 * cell);
                let path = paths.entry(shade(run[0])).or_default();
                write!(path, "M{x:.1} {y:.1}h{width:.1}v{cell:.1}h-{width:.1}z").expect("in memory");
                at += run.len();
            }
        }
        for (shade, path) in paths.iter().filter(|(shade, _)| **shade != 0) {
            writeln!(svg, "<path d=\"{path}\" fill=\"{}\"/>", colour(*shade)).expect("in memory");
        }
        let (width, height) = (n_columns as f64 * cell, self.rows.len() as f64 * cell);
        writeln!(
            svg,
            "<path d=\"M{left:.1} {top:.1}h{width:.1}v{height:.1}h-{width:.1}z\" fill=\"none\" stroke=\"#888\"/>"
        )
        .expect("in memory");
        for (row, label) in labels(&self.rows, cell) {
            svg += &text(left - 4.0, top + (row as f64 + 0.5) * cell + 4.0, "end", label, "");
        }
        for (column, label) in labels(&self.columns, cell) {
            let (x, y) = (left + (column as f64 + 0.5) * cell + 4.0, top - 5.0);
            svg += &text(x, y, "start", label, &format!(" transform=\"rotate(-90 {x:.1} {y:.1})\""));
        }
        svg
    }
}

/// Labels that fit, with their positions.
fn labels(labels: &[String], cell: f64) -> impl Iterator<Item = (usize, &String)> {
    let stride = (11.0 / cell).ceil() as usize;
    labels.iter().enumerate().step_by(stride).filter(|(_, label)| !label.is_empty())
}

fn colour(shade: i64) -> String {
    let full = if shade > 0 { ABOVE } else { BELOW };
    let share = shade.unsigned_abs() as f64 / N_SHADES as f64;
    let [r, g, b] = full.map(|part| (255.0 + (part - 255.0) * share).round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn text(x: f64, y: f64, anchor: &str, content: &str, attributes: &str) -> String {
    let content = escaped(content);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{attributes}>{content}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(n: usize, value: impl Fn(usize, usize) -> f64) -> HeatMap {
        let labels: Vec<String> = (0..n).map(|i| format!("<{i}>")).collect();
        let values = (0..n * n).map(|i| value(i / n, i % n)).collect();
        HeatMap { title: "a & b".into(), rows: labels.clone(), columns: labels, values }
    }

    /// Every element that is opened is closed, in order, and text between them is escaped.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let (tag, text) = part.split_once('>').expect("a tag ends");
            assert!(!text.contains('>') && text.split('&').skip(1).all(|rest| rest.contains(';')), "{text}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split_whitespace().next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn documents_are_well_formed() {
        let maps = [map(3, |row, column| row as f64 - column as f64), map(0, |_, _| 0.0), map(2, |_, _| f64::NAN)];
        assert_well_formed(&heat_maps(&maps, 2));
        assert_well_formed(&heat_maps(&[], 1));
    }

    #[test]
    fn characters_that_xml_does_not_have_are_replaced() {
        let svg = heat_maps(&[HeatMap { title: "\u{1b}&\u{ffff}".into(), ..map(1, |_, _| 1.0) }], 1);
        assert!(svg.contains("\u{fffd}&amp;\u{fffd}") && !svg.contains(['\u{1b}', '\u{ffff}']), "{svg}");
    }

    #[test]
    fn colours_go_from_white_to_the_farthest_value() {
        let svg = heat_maps(&[map(2, |row, column| [[1.0, 0.5], [-1.0, 0.0]][row][column])], 1);
        for (colour, n) in [("#0072b2", 1), ("#d55e00", 1), ("#80b9d9", 1)] {
            assert_eq!(svg.matches(colour).count(), n, "{colour}");
        }
    }

    #[test]
    fn large_maps_stay_small() {
        let svg = heat_maps(&[map(200, |row, column| ((row * column) as f64).sin())], 1);
        assert!(svg.len() < 2_000_000, "{}", svg.len());
        // One label in six has room.
        assert_eq!(svg.matches("text-anchor=\"end\"").count(), 34);
    }
}
