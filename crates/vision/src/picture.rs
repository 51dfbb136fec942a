//! Pictures in memory, and from files.

use std::{
    borrow::Cow,
    fs::File,
    io::{Cursor, Read},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageReader, Limits, codecs::png::PngEncoder};

use crate::{
    VisionError,
    resize::{Filter, resize},
};

/// The most pixels of a picture: the limit at which Pillow refuses a file.
const MAX_PIXELS: u64 = 178_956_970;

/// Memory that a decoder may take beside the picture, and bytes of a file: as many as the largest picture of four channels
/// of 16 bits has.
const MAX_BYTES: u64 = 8 * MAX_PIXELS;

/// Ends of the names of pictures, in lower case.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

/// Whether a file has the name of a picture of a format that is read here.
pub fn is_picture_name(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&&*ending))
}

/// Pixels of 8 bits a channel, row by row; the channels of a pixel side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    size: [usize; 2],
    channels: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// A picture of that height and width, with 1 channel, grey, or 3: red, green and blue.
    ///
    /// # Panics
    /// If there is not a value for each channel of each pixel, or no pixel.
    pub fn new(size: [usize; 2], channels: usize, pixels: Vec<u8>) -> Self {
        let [height, width] = size;
        assert!(matches!(channels, 1 | 3) && height * width > 0, "{height} × {width} pixels of {channels} channels");
        assert_eq!(pixels.len(), height * width * channels, "{height} × {width} pixels of {channels} channels");
        Self { size, channels, pixels }
    }

    /// Reads a file: PNG, JPEG, WebP, GIF (its first picture) or BMP, whatever its name ends in; turned as its EXIF
    /// data says. Transparency is left out, and 16 bits become 8.
    ///
    /// # Errors
    /// [`VisionError`] names the file: it can't be read, is empty, not a picture, damaged, cut off, or has more pixels
    /// or bytes than fit.
    pub fn open(path: &Path) -> Result<Self, VisionError> {
        Self::decode(&bytes_of(path)?, path)
    }

    /// As [`open`](Self::open), of a file's bytes; `path` is its name in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self, VisionError> {
        let damaged = |problem: String| VisionError::damaged(path, problem);
        let mut decoder = decoder(bytes, path)?;
        if bytes.starts_with(JPEG) && !has_end(bytes) {
            return Err(damaged("ends in the middle of the picture: copy it again".to_owned()));
        }
        // Files without it, or with damaged EXIF data, are as they are.
        let orientation = decoder.orientation().ok();
        let decoded = DynamicImage::from_decoder(decoder);
        let mut image = decoded.map_err(|error| damaged(unread(&error)))?;
        if let Some(orientation) = orientation {
            image.apply_orientation(orientation);
        }
        let size = [image.height() as usize, image.width() as usize];
        Ok(match image.color().has_color() {
            true => Self::new(size, 3, image.into_rgb8().into_raw()),
            false => Self::new(size, 1, image.into_luma8().into_raw()),
        })
    }

    /// Height and width of a file's picture, of which no more is read than says that.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), but for damage after the sizes.
    pub fn size_in(bytes: &[u8], path: &Path) -> Result<[usize; 2], VisionError> {
        let (width, height) = decoder(bytes, path)?.dimensions();
        Ok([height as usize, width as usize])
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// 1, grey, or 3: red, green and blue.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height · width · channels values.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The channels of a pixel.
    ///
    /// # Panics
    /// If it is outside.
    pub fn pixel(&self, row: usize, column: usize) -> &[u8] {
        &self.pixels[(row * self.size[1] + column) * self.channels..][..self.channels]
    }

    /// This picture with 1 channel or 3; grey is made of colours as Pillow does, by ITU-R 601.
    ///
    /// # Panics
    /// If it is another number.
    pub fn with_channels(&self, channels: usize) -> Cow<'_, Self> {
        let pixels = match (self.channels, channels) {
            (from, to) if from == to => return Cow::Borrowed(self),
            (1, 3) => self.pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
            (3, 1) => self.pixels.chunks(3).map(grey).collect(),
            (_, other) => panic!("a picture of {other} channels"),
        };
        Cow::Owned(Self { size: self.size, channels, pixels })
    }

    /// This picture at another height and width, as `PIL.Image.resize` makes it.
    ///
    /// # Panics
    /// If height or width is 0.
    pub fn resized(&self, size: [usize; 2], filter: Filter) -> Self {
        let part = [[0.0, self.size[0] as f64], [0.0, self.size[1] as f64]];
        Self { size, channels: self.channels, pixels: resize(self, part, size, filter) }
    }

    /// A part of this picture, from and to a row and a column, at another height and width, as `PIL.Image.resize` makes
    /// it of a box.
    ///
    /// # Panics
    /// If height or width is 0, or the part is not in the picture.
    pub fn resized_part(&self, part: [[f64; 2]; 2], size: [usize; 2], filter: Filter) -> Self {
        Self { size, channels: self.channels, pixels: resize(self, part, size, filter) }
    }

    /// `size` rows and columns from a row and a column on, which may be outside: there it is black.
    pub fn cut(&self, [top, left]: [i64; 2], size: [usize; 2]) -> Self {
        let mut pixels = vec![0; size[0] * size[1] * self.channels];
        let [height, width] = self.size.map(|side| side as i64);
        // Columns of the cut that are in the picture.
        let (first, last) = ((-left).max(0), (width - left).min(size[1] as i64));
        for (row, line) in pixels.chunks_mut(size[1] * self.channels).enumerate() {
            let from = top + row as i64;
            if (0..height).contains(&from) && first < last {
                let start = (from * width + left + first) as usize * self.channels;
                let n = (last - first) as usize * self.channels;
                line[first as usize * self.channels..][..n].copy_from_slice(&self.pixels[start..start + n]);
            }
        }
        Self { size, channels: self.channels, pixels }
    }

    /// Left and right changed.
    pub fn mirrored(mut self) -> Self {
        for line in self.pixels.chunks_mut(self.size[1] * self.channels) {
            let n = line.len() / self.channels;
            for column in 0..n / 2 {
                for channel in 0..self.channels {
                    line.swap(column * self.channels + channel, (n - 1 - column) * self.channels + channel);
                }
            }
        }
        self
    }

    /// This picture with `change` made of each value.
    pub(crate) fn mapped(mut self, change: impl Fn(u8) -> u8) -> Self {
        let table: [u8; 256] = std::array::from_fn(|value| change(value as u8));
        self.pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
        self
    }

    /// As a PNG file's bytes.
    ///
    /// # Panics
    /// If a side is longer than 2³² pixels.
    pub fn to_png(&self) -> Vec<u8> {
        let [height, width] = self.size.map(|side| u32::try_from(side).expect("a side of a picture"));
        let kind = if self.channels == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&self.pixels, width, height, kind).expect("a vector takes all");
        png
    }
}

/// The bytes of a file, which is not larger than the largest picture.
pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>, VisionError> {
    let file = File::open(path).map_err(VisionError::io(path))?;
    let n = file.metadata().map_err(VisionError::io(path))?.len();
    let mut bytes = Vec::new();
    if n <= MAX_BYTES {
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(VisionError::io(path))?;
    }
    match n.max(bytes.len() as u64) {
        n if n > MAX_BYTES => {
            let problem = format!("has {n} bytes, and no picture that is read has more than {MAX_BYTES}: remove it");
            Err(VisionError::damaged(path, problem))
        }
        _ => Ok(bytes),
    }
}

/// A pixel's grey: 0.299 red, 0.587 green and 0.114 blue, in 16 bits (Pillow's conversion to `L`).
fn grey(rgb: &[u8]) -> u8 {
    let weighted = [19_595, 38_470, 7_471].iter().zip(rgb).map(|(weight, &value)| weight * u32::from(value));
    ((weighted.sum::<u32>() + 0x8000) >> 16) as u8
}

const JPEG: &[u8] = b"\xff\xd8\xff";

/// Whether a JPEG file's picture, which other data may follow, has the mark of its end; decoders fill what is missing
/// with grey. Source: ITU-T T.81, §B.1.1.
fn has_end(bytes: &[u8]) -> bool {
    let mut left = &bytes[2..];
    // What is between two segments is the data of a scan, where 0xff is followed by 0 or the number of a restart.
    let is_mark = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    while let Some(at) = left.windows(2).position(is_mark) {
        if left[at + 1] == 0xd9 {
            return true;
        }
        let segment = &left[at + 2..];
        let n_bytes = segment.first_chunk::<2>().map_or(0, |&length| usize::from(u16::from_be_bytes(length)));
        left = segment.get(n_bytes..).unwrap_or_default();
    }
    false
}

/// What is said of a file whose picture can't be read.
fn unread(error: &ImageError) -> String {
    // Some reasons have lines of their own.
    let told = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    // Some readers have bounds of their own for each side, which they do not tell as limits.
    match matches!(error, ImageError::Limits(_)) || told.contains("too large") {
        true => format!("is larger than its format is read here ({told}): make it smaller, or remove it"),
        false => format!("is damaged ({told}): copy it again"),
    }
}

/// A decoder of a file whose picture is not too large.
fn decoder<'a>(bytes: &'a [u8], path: &Path) -> Result<impl ImageDecoder + 'a, VisionError> {
    let damaged = |problem: String| VisionError::damaged(path, problem);
    if bytes.is_empty() {
        return Err(damaged("is empty: copy it again, or remove it".to_owned()));
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(VisionError::io(path))?;
    if !reader.format().is_some_and(|format| format.reading_enabled()) {
        return Err(damaged("is not a picture of PNG, JPEG, WebP, GIF or BMP: convert it, or remove it".to_owned()));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| damaged(unread(&error)))?;
    let (width, height) = decoder.dimensions();
    match u64::from(width) * u64::from(height) {
        0 => Err(damaged("has no pixels: remove it".to_owned())),
        n if n > MAX_PIXELS => Err(damaged(format!(
            "has {width} × {height} pixels, more than {MAX_PIXELS}: make it smaller, or remove it"
        ))),
        _ => Ok(decoder),
    }
}
