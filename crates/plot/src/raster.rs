//! Drawings as PNG.

use std::io::{self, Write};

use flate2::{Compression, Crc, write::ZlibEncoder};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

use crate::canvas::{Anchor, Canvas, Colour, TextStyle};

/// The size of letters: 12 points.
const LETTERS: RasterHeight = RasterHeight::Size24;

/// Pixels from the top of a letter's box to its baseline.
const ASCENT: i32 = 19;

/// The first bytes of every PNG image (ISO/IEC 15948, 5.2).
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// An image that is being drawn.
pub(crate) struct Raster(Pixmap);

impl Raster {
    /// Pixels per point.
    pub(crate) const SCALE: f64 = 2.0;

    /// An image of a size in pixels.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let mut pixels = Pixmap::new(width, height).expect("a page is neither empty nor endless");
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

    fn cells(&mut self, cells: &[[f64; 4]], colour: Colour) {
        let mut path = PathBuilder::new();
        let rects = cells.iter().map(|cell| cell.map(|part| part as f32));
        rects
            .filter_map(|[x, y, width, height]| Rect::from_xywh(x, y, width, height))
            .for_each(|cell| path.push_rect(cell));
        let Some(path) = path.finish() else { return };
        // Neighbours meet without a seam.
        let paint = Paint { anti_alias: false, ..paint(colour) };
        self.0.fill_path(&path, &paint, FillRule::Winding, scale(), None);
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
        let (x, y) = ((x * Self::SCALE) as i32, (y * Self::SCALE) as i32);
        let mut left = -offset;
        for letter in text.chars() {
            let glyph = get_raster(letter, weight, LETTERS).or_else(|| get_raster('?', weight, LETTERS));
            for (row, down) in glyph.iter().flat_map(RasterizedChar::rows).zip(-ASCENT..) {
                for (&opacity, right) in row.iter().zip(left..) {
                    let (right, down) = if style.is_turned { (down, -right) } else { (right, down) };
                    self.blend(x + right, y + down, style.colour, opacity);
                }
            }
            left += letter_width;
        }
    }
}

/// The first letter that the font of images does not have.
#[derive(Debug, Default)]
pub(crate) struct Lacking(pub(crate) Option<char>);

impl Canvas for Lacking {
    fn line(&mut self, _: &[(f64, f64)], _: Colour, _: f64) {}

    fn cells(&mut self, _: &[[f64; 4]], _: Colour) {}

    fn dot(&mut self, _: (f64, f64), _: f64, _: Colour) {}

    fn text(&mut self, _: (f64, f64), text: &str, _: TextStyle) {
        let is_lacking = |&letter: &char| get_raster(letter, FontWeight::Regular, LETTERS).is_none();
        self.0 = self.0.or_else(|| text.chars().find(is_lacking));
    }
}

fn paint([red, green, blue]: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn scale() -> Transform {
    Transform::from_scale(Raster::SCALE as f32, Raster::SCALE as f32)
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
        let mut raster = Raster::new(40, 20);
        raster.line(&[(0.0, 5.0), (20.0, 5.0)], [255, 0, 0], 2.0);
        raster.text((200.0, 200.0), "outside", TextStyle::plain(Anchor::Start));
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
            let mut raster = Raster::new(80, 40);
            raster.text((2.0, 15.0), text, TextStyle::plain(Anchor::Start));
            raster.finish()
        };
        assert_ne!(image("a"), image(" "));
        assert_eq!(image("\u{4e00}"), image("?"));
    }

    #[test]
    fn turned_texts_are_read_from_below() {
        let pixels = |is_turned| {
            let mut raster = Raster::new(80, 80);
            raster.text((20.0, 20.0), "L7", TextStyle { is_turned, ..TextStyle::plain(Anchor::Start) });
            read(&raster.finish())
        };
        let (level, turned) = (pixels(false), pixels(true));
        let at = |pixels: &[u8], x: usize, y: usize| pixels[y * 241 + 1 + 3 * x];
        assert!((20..70).any(|x| at(&level, x, 35) < 128), "something is drawn");
        // A step to the right has become a step up, and a step down one to the right.
        let points = (0..40_i32).flat_map(|right| (-20..20_i32).map(move |down| (right, down)));
        for (right, down) in points.filter(|(right, _)| *right < 38) {
            let there = at(&turned, (40 + down) as usize, (40 - right) as usize);
            assert_eq!(at(&level, (40 + right) as usize, (40 + down) as usize), there, "{right}, {down}");
        }
    }

    #[test]
    fn cells_meet_without_a_seam() {
        let mut raster = Raster::new(40, 20);
        raster.cells(&[[2.3, 2.0, 5.1, 6.0], [7.4, 2.0, 8.0, 6.0]], [0, 114, 178]);
        let pixels = read(&raster.finish());
        let row = &pixels[10 * 121 + 1..][..120];
        let filled = row.chunks(3).filter(|pixel| *pixel == [0, 114, 178]).count();
        assert_eq!(filled, 26); // from 4.6 to 30.8
        assert!(row.chunks(3).all(|pixel| [[0, 114, 178], [255; 3]].contains(&[pixel[0], pixel[1], pixel[2]])));
    }
}
