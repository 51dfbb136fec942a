//! Maps over pictures, as pictures and as SVG.

use std::fmt::Write;

use crate::{Filter, Picture};

/// The shortest side of a drawing, in pixels: small pictures are made larger by a whole factor.
const LEAST_SIDE: usize = 224;

/// Colours of a map from 0 to 1, dark to bright: points of the perceptually uniform "inferno" (Smith and van der Walt
/// 2015).
const COLOURS: [[f64; 3]; 6] = [
    [0.0, 0.0, 4.0],
    [66.0, 10.0, 104.0],
    [147.0, 38.0, 103.0],
    [221.0, 81.0, 58.0],
    [252.0, 165.0, 10.0],
    [252.0, 255.0, 164.0],
];

/// How much of a map's colour is seen over a picture.
const OPACITY: f64 = 0.6;

/// The picture, and beside it a map of a grid of values over it: bright where values are greatest.
///
/// # Panics
/// If there is not a value for each place of the grid.
pub fn overlay(picture: &Picture, grid: [usize; 2], values: &[f32]) -> Picture {
    assert_eq!(values.len(), grid[0] * grid[1], "a value for each place of the grid");
    let [height, width] = picture.size();
    let factor = LEAST_SIDE.div_ceil(height.min(width)).max(1);
    let size = [height * factor, width * factor];
    let large = picture.with_channels(3).resized(size, if factor > 1 { Filter::Nearest } else { Filter::Box });
    let map = Picture::new(grid, 1, shades(values)).resized(size, Filter::Bicubic);
    let mut pixels = Vec::with_capacity(2 * large.pixels().len());
    for row in 0..size[0] {
        pixels.extend_from_slice(&large.pixels()[row * size[1] * 3..][..size[1] * 3]);
        for column in 0..size[1] {
            let colour = colour(f64::from(map.pixel(row, column)[0]) / 255.0);
            let below = large.pixel(row, column);
            pixels.extend(colour.iter().zip(below).map(|(&above, &below)| mixed(above, below)));
        }
    }
    Picture::new([size[0], 2 * size[1]], 3, pixels)
}

/// A drawing with a title as an SVG document, which holds the picture itself.
pub fn to_svg(drawing: &Picture, title: &str) -> String {
    const LINE: usize = 28;
    let [height, width] = drawing.size();
    // XML does not have control characters.
    let title = title.replace(char::is_control, "\u{fffd}");
    let title = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" width=\"{width}\" height=\"{total}\" \
         font-family=\"sans-serif\" font-size=\"15\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"6\" y=\"19\">{title}</text>\n",
        total = height + LINE
    );
    let png = base64(&drawing.to_png());
    writeln!(
        svg,
        "<image x=\"0\" y=\"{LINE}\" width=\"{width}\" height=\"{height}\" href=\"data:image/png;base64,{png}\"/>\n</svg>"
    )
    .expect("a string takes all");
    svg
}

/// Values from the least, 0, to the greatest, 255.
fn shades(values: &[f32]) -> Vec<u8> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (least, most) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let shade = |&value: &f32| if most > least { ((value - least) / (most - least) * 255.0).round() as u8 } else { 0 };
    values.iter().map(shade).collect()
}

fn mixed(above: f64, below: u8) -> u8 {
    (OPACITY * above + (1.0 - OPACITY) * f64::from(below)).round() as u8
}

fn colour(share: f64) -> [f64; 3] {
    let place = share.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let first = (place as usize).min(COLOURS.len() - 2);
    let part = place - first as f64;
    std::array::from_fn(|channel| (1.0 - part) * COLOURS[first][channel] + part * COLOURS[first + 1][channel])
}

/// Base64 (RFC 4648, §4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().chain([0; 2].iter()).take(3).fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        let digit = |at: usize| match at <= chunk.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]),
            false => '=',
        };
        [0, 1, 2, 3].map(digit)
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, §10.
    #[test]
    fn base64_is_the_standard_s() {
        let expected = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (n, expected) in expected.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..n]), expected);
        }
    }

    #[test]
    fn the_greatest_value_is_the_brightest_place() {
        let grey = Picture::new([8, 8], 1, vec![128; 64]);
        let drawing = overlay(&grey, [2, 2], &[0.0, 0.0, 0.0, 1.0]);
        assert_eq!(drawing.size(), [224, 448]);
        assert_eq!(drawing.pixel(10, 10), [128; 3]);
        let [dark, bright] = [[10, 234], [214, 438]].map(|[row, column]| drawing.pixel(row, column)[0]);
        assert!(dark < 80 && bright > 180, "{dark} {bright}");
        assert!(to_svg(&drawing, "a < b").contains("a &lt; b"));
    }
}
