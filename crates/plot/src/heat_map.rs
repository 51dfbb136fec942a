//! Matrices as coloured cells.

use std::collections::BTreeMap;

use crate::canvas::{Anchor, Canvas, Colour, TextStyle};

/// Longer side of a map, and least and greatest side of a cell.
const SIDE: f64 = 360.0;
const CELL: [f64; 2] = [2.0, 18.0];
/// Shades of a colour.
const N_SHADES: usize = 40;
/// Space of a label's character, and between maps.
const CHARACTER: f64 = 6.5;
const GAP: f64 = 24.0;
/// Space that a label needs beside the next one.
const LETTERS: f64 = 12.0;
/// The colour of the line around a map.
const FRAME: Colour = [0x88; 3];
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

/// Draws maps in rows of `across`.
pub(crate) fn draw(maps: &[HeatMap], across: usize, canvas: &mut impl Canvas) {
    let mut top = 0.0;
    for line in maps.chunks(across.max(1)) {
        let (mut left, mut height) = (0.0, 0.0_f64);
        for map in line {
            map.draw([left, top], canvas);
            let [map_width, map_height] = map.size();
            left += map_width;
            height = height.max(map_height);
        }
        top += height;
    }
}

/// Width and height of what [`draw`] draws.
pub(crate) fn size(maps: &[HeatMap], across: usize) -> [f64; 2] {
    maps.chunks(across.max(1)).fold([0.0, 0.0], |[width, height], line| {
        let sizes = line.iter().map(HeatMap::size);
        let (line_width, line_height) = sizes.fold((0.0, 0.0_f64), |(sum, high), [w, h]| (sum + w, high.max(h)));
        [f64::max(width, line_width), height + line_height]
    })
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

    fn draw(&self, [x_0, y_0]: [f64; 2], canvas: &mut impl Canvas) {
        assert_eq!(self.values.len(), self.rows.len() * self.columns.len(), "a value for each row and column");
        let ([left, top], cell, n_columns) = (self.corner(), self.cell(), self.columns.len());
        let (left, top) = (x_0 + left, y_0 + top);
        let farthest = self.values.iter().filter(|value| value.is_finite()).fold(0.0_f64, |far, v| far.max(v.abs()));
        let shade = |value: f64| {
            let share = if value.is_finite() && farthest > 0.0 { value / farthest } else { 0.0 };
            (share * N_SHADES as f64).round() as i64
        };
        canvas.text(
            (x_0 + 6.0, y_0 + 16.0),
            &self.title,
            TextStyle { is_bold: true, ..TextStyle::plain(Anchor::Start) },
        );
        // A path for each shade, of runs of cells: far shorter than a rectangle for each cell.
        let mut shades = BTreeMap::<i64, Vec<[f64; 4]>>::new();
        for (row, values) in self.values.chunks(n_columns.max(1)).enumerate() {
            let mut at = 0;
            for run in values.chunk_by(|&a, &b| shade(a) == shade(b)) {
                let (x, y) = (left + at as f64 * cell, top + row as f64 * cell);
                shades.entry(shade(run[0])).or_default().push([x, y, run.len() as f64 * cell, cell]);
                at += run.len();
            }
        }
        for (shade, cells) in shades.iter().filter(|(shade, _)| **shade != 0) {
            canvas.cells(cells, colour(*shade));
        }
        let (right, floor) = (left + n_columns as f64 * cell, top + self.rows.len() as f64 * cell);
        canvas.line(&[(left, top), (right, top), (right, floor), (left, floor), (left, top)], FRAME, 1.0);
        for (row, label) in labels(&self.rows, cell) {
            canvas.text((left - 4.0, top + (row as f64 + 0.5) * cell + 4.0), label, TextStyle::plain(Anchor::End));
        }
        for (column, label) in labels(&self.columns, cell) {
            let at = (left + (column as f64 + 0.5) * cell + 4.0, top - 5.0);
            canvas.text(at, label, TextStyle { is_turned: true, ..TextStyle::plain(Anchor::Start) });
        }
    }
}

/// Labels that fit, with their positions.
fn labels(labels: &[String], cell: f64) -> impl Iterator<Item = (usize, &String)> {
    let stride = (LETTERS / cell).ceil() as usize;
    labels.iter().enumerate().step_by(stride).filter(|(_, label)| !label.is_empty())
}

fn colour(shade: i64) -> Colour {
    let full = if shade > 0 { ABOVE } else { BELOW };
    let share = shade.unsigned_abs() as f64 / N_SHADES as f64;
    full.map(|part| (255.0 + (part - 255.0) * share).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Drawing;

    fn heat_maps(maps: &[HeatMap], across: usize) -> String {
        Drawing::Maps { maps: maps.to_vec(), across }.to_svg()
    }

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
