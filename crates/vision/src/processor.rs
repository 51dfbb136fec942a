//! From a picture to the numbers that a model reads.

use attentive_core::Patches;
use serde::{Deserialize, Serialize};

use crate::{Filter, Picture, VisionError};

/// The longest side that a picture is resized to.
const MAX_SIDE: usize = 1 << 14;

/// The size that a picture is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Resize {
    /// Height and width, whatever the picture's were.
    Exact([usize; 2]),
    /// The shorter side; the other in proportion.
    Shorter(usize),
}

/// How a picture becomes numbers: resized, cropped, scaled and normalised, in this order, as transformers'
/// `ViTImageProcessor` and others of its kind do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageProcessor {
    /// Channels that the model reads: 1, grey, or 3.
    pub channels: usize,
    /// The size that a picture is resized to, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    /// How new pixels are made of old ones.
    #[serde(default)]
    pub filter: Filter,
    /// Height and width that are cut out of the middle then; what is missing is black.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<[usize; 2]>,
    /// Factor of values, which are from 0 to 255.
    pub scale: f64,
    /// What is subtracted from a scaled value: one number, or one for each channel.
    pub mean: Vec<f64>,
    /// What the difference is divided by, likewise.
    pub std: Vec<f64>,
}

impl ImageProcessor {
    /// Squares of this side, resized bilinearly, with values from -1 to 1: ViT's.
    pub fn square(side: usize, channels: usize) -> Self {
        Self {
            channels,
            resize: Some(Resize::Exact([side; 2])),
            filter: Filter::Bilinear,
            crop: None,
            scale: 1.0 / 255.0,
            mean: vec![0.5],
            std: vec![0.5],
        }
    }

    /// What is wrong with the settings, if anything is.
    pub fn problem(&self) -> Option<String> {
        let sides = match self.resize {
            Some(Resize::Exact(sides)) => sides.to_vec(),
            Some(Resize::Shorter(side)) => vec![side],
            None => Vec::new(),
        };
        if let Some(side) = sides.iter().chain(self.crop.iter().flatten()).find(|&&side| side == 0 || side > MAX_SIDE) {
            return Some(format!("a picture of {side} pixels a side: it must have from 1 to {MAX_SIDE}"));
        }
        if !matches!(self.channels, 1 | 3) {
            return Some(format!("channels = {}: there are 1, grey, and 3, colours", self.channels));
        }
        for (name, numbers) in [("mean", &self.mean), ("std", &self.std)] {
            if !(numbers.len() == 1 || numbers.len() == self.channels) {
                return Some(format!("{name} has {} numbers: give one, or one for each channel", numbers.len()));
            }
        }
        let all = [&self.mean, &self.std].into_iter().flatten().chain([&self.scale]);
        match all.chain(&self.std).all(|number| number.is_finite()) && self.std.iter().all(|&std| std != 0.0) {
            true => None,
            false => Some("scale, mean and std must be finite, and std not 0".to_owned()),
        }
    }

    /// Height and width of what becomes of every picture, if they are the same for all.
    pub fn size(&self) -> Option<[usize; 2]> {
        self.crop.or(match self.resize {
            Some(Resize::Exact(size)) => Some(size),
            _ => None,
        })
    }

    /// The picture, resized and cropped, with the channels that the model reads.
    pub fn prepare(&self, picture: &Picture) -> Picture {
        let picture = picture.with_channels(self.channels);
        let size = match self.resize {
            Some(Resize::Exact(size)) => size,
            Some(Resize::Shorter(side)) => in_proportion(picture.size(), side),
            None => picture.size(),
        };
        let picture = if size == picture.size() { picture.into_owned() } else { picture.resized(size, self.filter) };
        match self.crop {
            Some(crop) if crop != size => {
                let first = |axis: usize| (size[axis] as i64 - crop[axis] as i64).div_euclid(2);
                picture.cut([first(0), first(1)], crop)
            }
            _ => picture,
        }
    }

    /// The number of each value, by channel: what transformers computes in single precision.
    fn tables(&self) -> Vec<[f32; 256]> {
        let of_channel = |numbers: &[f64], channel: usize| numbers[channel.min(numbers.len() - 1)] as f32;
        let table = |channel: usize| {
            let [mean, std] = [&self.mean, &self.std].map(|numbers| of_channel(numbers, channel));
            std::array::from_fn(|value| ((value as f64 * self.scale) as f32 - mean) / std)
        };
        (0..self.channels).map(table).collect()
    }

    /// The numbers of a prepared picture, channel by channel: `[channels, height, width]`.
    ///
    /// # Panics
    /// If the picture has other channels.
    pub fn values(&self, prepared: &Picture) -> Vec<f32> {
        assert_eq!(prepared.channels(), self.channels, "a prepared picture");
        let of_channel = |(channel, table): (usize, [f32; 256])| {
            let values = prepared.pixels().iter().skip(channel).step_by(self.channels);
            values.map(move |&value| table[usize::from(value)]).collect::<Vec<f32>>()
        };
        self.tables().into_iter().enumerate().flat_map(of_channel).collect()
    }

    /// The numbers of prepared pictures of one size, patch by patch.
    ///
    /// # Errors
    /// [`VisionError::Patches`] if patches do not fill the pictures, [`VisionError::Empty`] if there are none.
    ///
    /// # Panics
    /// If a picture has other channels, or another size than the first.
    pub fn patches(&self, prepared: &[Picture], patch_size: usize) -> Result<Patches, VisionError> {
        let [height, width] = prepared.first().ok_or(VisionError::Empty)?.size();
        if patch_size == 0 || !height.is_multiple_of(patch_size) || !width.is_multiple_of(patch_size) {
            return Err(VisionError::Patches { height, width, patch_size });
        }
        let (grid, tables) = ([height / patch_size, width / patch_size], self.tables());
        let mut values = Vec::with_capacity(prepared.len() * height * width * self.channels);
        for picture in prepared {
            assert_eq!((picture.size(), picture.channels()), ([height, width], self.channels), "prepared pictures");
            for patch in 0..grid[0] * grid[1] {
                let (top, left) = (patch / grid[1] * patch_size, patch % grid[1] * patch_size);
                for (channel, table) in tables.iter().enumerate() {
                    for row in top..top + patch_size {
                        let line =
                            &picture.pixels()[(row * width + left) * self.channels..][..patch_size * self.channels];
                        let line = line.iter().skip(channel).step_by(self.channels);
                        values.extend(line.map(|&value| table[usize::from(value)]));
                    }
                }
            }
        }
        Ok(Patches::new(values, prepared.len(), grid))
    }
}

/// The size whose shorter side is `side`, rounded down as transformers does.
fn in_proportion([height, width]: [usize; 2], side: usize) -> [usize; 2] {
    let long = |long: usize, short: usize| ((side as f64 * long as f64 / short as f64) as usize).clamp(1, MAX_SIDE);
    if height <= width { [side, long(width, height)] } else { [long(height, width), side] }
}
