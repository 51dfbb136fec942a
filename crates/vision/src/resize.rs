//! Resizing as Pillow does, value for value.

use serde::{Deserialize, Serialize};

use crate::Picture;

/// Bits of the weights' fractions: 32, less the 8 of a value and 2 of head-room, as in Pillow.
const PRECISION: u32 = 22;

/// How new pixels are made of old ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// The nearest.
    Nearest,
    /// Their mean, each as much as it is covered.
    Box,
    /// By a triangle.
    #[default]
    Bilinear,
    /// By Hamming's window.
    Hamming,
    /// By a cubic with the parameter -0.5 (Keys 1981).
    Bicubic,
    /// By Lanczos's window of three.
    Lanczos,
}

impl Filter {
    /// Distance up to which pixels count.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// Weight of a pixel at a distance.
    fn weight(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        let far = x.abs();
        match self {
            Self::Nearest => 0.0,
            Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - far).max(0.0),
            Self::Hamming if far < 1.0 => sinc(far) * (0.54 + 0.46 * (far * std::f64::consts::PI).cos()),
            Self::Bicubic if far < 1.0 => (1.5 * far - 2.5) * far * far + 1.0,
            Self::Bicubic if far < 2.0 => (((far - 5.0) * far + 8.0) * far - 4.0) * -0.5,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Hamming | Self::Bicubic | Self::Lanczos => 0.0,
        }
    }
}

/// The old pixels that a new one is made of.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// For each of `to` new pixels, the old ones of `part`, of `from` in all, and their weights.
fn taps(from: usize, [start, end]: [f64; 2], to: usize, filter: Filter) -> Vec<Taps> {
    let scale = (end - start) / to as f64;
    let stretch = scale.max(1.0);
    let shrink = 1.0 / stretch;
    let support = filter.support() * stretch;
    let tap = |at: usize| {
        let centre = start + (at as f64 + 0.5) * scale;
        let first = ((centre - support + 0.5) as i64).max(0) as usize;
        let last = ((centre + support + 0.5) as usize).min(from);
        let weights = (first..last).map(|old| filter.weight((old as f64 - centre + 0.5) * shrink));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: f64| {
            let weight = if sum == 0.0 { weight } else { weight / sum };
            (weight * f64::from(1 << PRECISION)).round() as i32
        };
        Taps { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(tap).collect()
}

/// The value that a sum of weighted values is.
fn value(values: impl Iterator<Item = u8>, weights: &[i32]) -> u8 {
    let sum =
        values.zip(weights).fold(1 << (PRECISION - 1), |sum: i32, (value, &weight)| sum + i32::from(value) * weight);
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The pixels of a part of a picture at another size: one axis after the other, with 8 bits between them.
///
/// Rows are made shorter first, unless the picture loses more than two rows for each column: as Pillow 13 does; before,
/// it never began with columns.
pub(crate) fn resize(picture: &Picture, part: [[f64; 2]; 2], size: [usize; 2], filter: Filter) -> Vec<u8> {
    let [height, width] = size;
    assert!(height > 0 && width > 0, "a picture of {height} × {width} pixels");
    let ([old_height, old_width], channels) = (picture.size(), picture.channels());
    let inside = |[start, end]: [f64; 2], side: usize| start >= 0.0 && start < end && end <= side as f64;
    assert!(inside(part[0], old_height) && inside(part[1], old_width), "{part:?} is not in the picture");
    if filter == Filter::Nearest {
        return nearest(picture, part, size);
    }
    let taps_of = |axis: usize| {
        let (from, to) = (picture.size()[axis], size[axis]);
        (from != to || part[axis] != [0.0, from as f64]).then(|| taps(from, part[axis], to, filter))
    };
    let (of_columns, of_rows) = (taps_of(0), taps_of(1));
    let lost = |axis: usize| picture.size()[axis] as i64 - size[axis] as i64;
    if lost(0) > 0 && lost(0) > 2 * lost(1) {
        let short = columns(picture.pixels().to_vec(), old_width * channels, of_columns.as_deref());
        rows(short, old_width, channels, of_rows.as_deref())
    } else {
        let narrow = rows(picture.pixels().to_vec(), old_width, channels, of_rows.as_deref());
        columns(narrow, width * channels, of_columns.as_deref())
    }
}

/// Pixels whose rows, of `width` pixels, are made of others by `taps`; the same without any.
fn rows(pixels: Vec<u8>, width: usize, channels: usize, taps: Option<&[Taps]>) -> Vec<u8> {
    let Some(taps) = taps else { return pixels };
    let n_rows = pixels.len() / (width * channels);
    let mut made = Vec::with_capacity(n_rows * taps.len() * channels);
    for row in pixels.chunks(width * channels) {
        for Taps { first, weights } in taps {
            let from = |channel: usize| row[first * channels + channel..].iter().copied().step_by(channels);
            made.extend((0..channels).map(|channel| value(from(channel), weights)));
        }
    }
    made
}

/// Pixels whose columns are made of others by `taps`, in rows of `row` values; the same without any.
fn columns(pixels: Vec<u8>, row: usize, taps: Option<&[Taps]>) -> Vec<u8> {
    let Some(taps) = taps else { return pixels };
    let mut made = Vec::with_capacity(taps.len() * row);
    for Taps { first, weights } in taps {
        let from = |at: usize| pixels[first * row + at..].iter().copied().step_by(row);
        made.extend((0..row).map(|at| value(from(at), weights)));
    }
    made
}

fn nearest(picture: &Picture, part: [[f64; 2]; 2], size: [usize; 2]) -> Vec<u8> {
    let place = |axis: usize, at: usize| {
        let [start, end] = part[axis];
        let place = start + (at as f64 + 0.5) * (end - start) / size[axis] as f64;
        (place as usize).min(picture.size()[axis] - 1)
    };
    let columns: Vec<usize> = (0..size[1]).map(|column| place(1, column)).collect();
    let rows = (0..size[0]).map(|row| place(0, row));
    rows.flat_map(|row| columns.iter().flat_map(move |&column| picture.pixel(row, column).to_vec())).collect()
}
