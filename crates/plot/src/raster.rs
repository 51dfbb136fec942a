//! Drawings as PNG.

use std::io::{self, Write};

use flate2::{Compression, Crc, write::ZlibEncoder};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke, Transform};

use crate::canvas::{Anchor, Canvas, Colour, TextStyle};

/// Pixels per point.
const SCALE: f64 = 2.0;

/// The size of letters: 12 points.
const LETTERS: RasterHeight = RasterHeight::Size24;

/// Pixels from the top of a letter's box to its baseline.
const ASCENT: i32 = 19;

/// The first bytes of every PNG image (ISO/IEC 15948, 5.2).
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// An image that is being drawn.
pub(crate) struct Raster(Pixmap);

impl Raster {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        let mut pixels =
            Pixmap::new((width * SCALE) as u32, (height * SCALE) as u32).expect("a page is neither empty nor endless");
        pixels.fill(Color::WHITE);
        Self(pixels)
    }

    /// The image as a file's bytes: eight bits of red, green and blue a pixel, without filters.
    pub(crate) fn finish(self) -> Vec<u8> {
        let [width, height] = [self.0.width(), self.0.height()];
        let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
        header.extend([8, 2, 0, 0, 0]);
        let mut pixels = ZlibEncoder::new(Vec::new(), Compression::default());
        let rows = self.0.data().chunks_exact(4 * width as usize);
        let written: io::Result<()> = rows.into_iter().try_for_each(|row| {
            // A row begins with its filter's number.
            let colours = row.as_chunks::<4>().0.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]);
            pixels.write_all(&[0].into_iter().chain(colours).collect::<Vec<u8>>())
        });
        let pixels = written.and_then(|()| pixels.finish()).expect("a vector takes all");

        let mut png = SIGNATURE.to_vec();
        for (kind, data) in [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", Vec::new())] {
            let body = [&kind[..], &data].concat();
            let mut sum = Crc::new();
            sum.update(&body);
            png.extend((data.len() as u32).to_be_bytes());
            png.extend(body);
            png.extend(sum.sum().to_be_bytes());
        }
        png
    }

    fn blend(&mut self, x: i32, y: i32, colour: Colour, opacity: u8) {
        let (width, height) = (self.0.width() as i32, self.0.height() as i32);
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let at = 4 * (y as usize * width as usize + x as usize);
        let opacity = u16::from(opacity);
        for (below, above) in self.0.data_mut()[at..].iter_mut().zip(colour) {
            *below = ((u16::from(*below) * (255 - opacity) + u16::from(above) * opacity) / 255) as u8;
        }
    }
}

impl Canvas for Raster {
    fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) {
        let mut path = PathBuilder::new();
        for (idx, &(x, y)) in points.iter().enumerate() {
            if idx == 0 { path.move_to(x as f32, y as f32) } else { path.line_to(x as f32, y as f32) }
        }
        // A line needs two points.
        let Some(path) = path.finish() else { return };
        let stroke =
            Stroke { width: width as f32, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        self.0.stroke_path(&path, &paint(colour), &stroke, scale(), None);
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: Colour) {
        let Some(circle) = PathBuilder::from_circle(x as f32, y as f32, radius as f32) else { return };
        self.0.fill_path(&circle, &paint(colour), FillRule::Winding, scale(), None);
    }

    fn text(&mut self, (x, y): (f64, f64), text: &str, style: TextStyle) {
        let weight = if style.is_bold { FontWeight::Bold } else { FontWeight::Regular };
        let letter_width = get_raster_width(weight, LETTERS) as i32;
        let width = letter_width * text.chars().count() as i32;
        let offset = match style.anchor {
            Anchor::Start => 0,
            Anchor::Middle => width / 2,
            Anchor::End => width,
        };
        let (mut left, top) = ((x * SCALE) as i32 - offset, (y * SCALE) as i32 - ASCENT);
        for letter in text.chars() {
            let glyph = get_raster(letter, weight, LETTERS).or_else(|| get_raster('?', weight, LETTERS));
            for (row, y) in glyph.iter().flat_map(RasterizedChar::rows).zip(top..) {
                for (&opacity, x) in row.iter().zip(left..) {
                    self.blend(x, y, style.colour, opacity);
                }
            }
            left += letter_width;
        }
    }
}

fn paint([red, green, blue]: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn scale() -> Transform {
    Transform::from_scale(SCALE as f32, SCALE as f32)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// The pixels of an image that [`Raster`] wrote, after its parts and their sums are checked.
    fn read(png: &[u8]) -> Vec<u8> {
        let mut rest = png.strip_prefix(SIGNATURE).unwrap();
        let mut pixels = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(*rest.first_chunk().unwrap()) as usize;
            let (body, tail) = rest[4..].split_at(4 + length);
            let mut sum = Crc::new();
            sum.update(body);
            assert_eq!(*tail.first_chunk().unwrap(), sum.sum().to_be_bytes());
            if body.starts_with(b"IDAT") {
                flate2::read::ZlibDecoder::new(&body[4..]).read_to_end(&mut pixels).unwrap();
            }
            rest = &tail[4..];
        }
        pixels
    }

    #[test]
    fn what_is_drawn_is_in_the_image() {
        let mut raster = Raster::new(20.0, 10.0);
        raster.line(&[(0.0, 5.0), (20.0, 5.0)], [255, 0, 0], 2.0);
        let style = TextStyle { anchor: Anchor::Start, colour: [0, 0, 255], is_bold: false };
        raster.text((200.0, 200.0), "outside", style);
        let pixels = read(&raster.finish());
        let row = 1 + 3 * 40;
        assert_eq!(pixels.len(), 20 * row);
        let pixel = |x: usize, y: usize| &pixels[y * row + 1 + 3 * x..][..3];
        assert_eq!(pixel(20, 10), [255, 0, 0]);
        assert_eq!(pixel(20, 2), [255, 255, 255]);
    }

    #[test]
    fn letters_are_drawn_and_unknown_ones_replaced() {
        let image = |text: &str| {
            let mut raster = Raster::new(40.0, 20.0);
            raster.text((2.0, 15.0), text, TextStyle { anchor: Anchor::Start, colour: [0; 3], is_bold: false });
            raster.finish()
        };
        assert_ne!(image("a"), image(" "));
        assert_eq!(image("\u{4e00}"), image("?"));
    }
}
