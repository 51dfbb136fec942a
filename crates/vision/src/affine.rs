//! Pictures turned, sheared and moved.

use crate::Picture;

/// Where a new pixel comes from, about the middle of a picture: `[row, column]` of the old is `matrix · [row, column] +
/// shift` of the new.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Affine {
    pub(crate) matrix: [[f64; 2]; 2],
    /// In pixels.
    pub(crate) shift: [f64; 2],
}

impl Affine {
    /// The picture that this makes, of the same size: between four old pixels each, and black outside.
    pub(crate) fn apply(self, picture: &Picture) -> Picture {
        let ([height, width], channels) = (picture.size(), picture.channels());
        let middle = [(height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0];
        let value = |row: i64, column: i64, channel: usize| match (usize::try_from(row), usize::try_from(column)) {
            (Ok(row), Ok(column)) if row < height && column < width => f64::from(picture.pixel(row, column)[channel]),
            _ => 0.0,
        };
        let mut pixels = Vec::with_capacity(picture.pixels().len());
        for at in 0..height * width {
            let new = [(at / width) as f64 - middle[0], (at % width) as f64 - middle[1]];
            let old: [f64; 2] = std::array::from_fn(|axis| {
                self.matrix[axis][0] * new[0] + self.matrix[axis][1] * new[1] + self.shift[axis] + middle[axis]
            });
            let [(row, down), (column, right)] = old.map(|place| (place.floor() as i64, place - place.floor()));
            for channel in 0..channels {
                let line = |row| (1.0 - right) * value(row, column, channel) + right * value(row, column + 1, channel);
                pixels.push(((1.0 - down) * line(row) + down * line(row + 1)).round() as u8);
            }
        }
        Picture::new([height, width], channels, pixels)
    }
}
