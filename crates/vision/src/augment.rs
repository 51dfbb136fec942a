//! Random changes of pictures that leave their class as it is.

use attentive_core::{ClassShares, Patches};
use serde::{Deserialize, Serialize};

use crate::{ImageProcessor, Picture, affine::Affine, random::Random};

/// Proportions of width to height of a random part (Szegedy et al. 2015, §6).
const PROPORTIONS: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// The greatest magnitude.
const MAGNITUDES: f64 = 10.0;

/// Changes of training pictures: a function of the run's seed, the epoch and the picture.
///
/// ```
/// use attentive_vision::{AugmentConfig, ImageProcessor, Picture};
///
/// let picture = Picture::new([1, 4], 1, vec![1, 2, 3, 4]);
/// let processor = ImageProcessor { resize: None, ..ImageProcessor::square(4, 1) };
/// let always_flip = AugmentConfig { flip: 1.0, ..AugmentConfig::default() };
/// assert_eq!(always_flip.apply(&picture, &processor, [1, 0, 7]).pixels(), [4, 3, 2, 1]);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Least and greatest share of a picture's area that a random part of it has, which is then resized: 0.08 to 1 for
    /// photographs (Szegedy et al. 2015, §6). Without it, pictures are resized as in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<[f64; 2]>,
    /// The most pixels that a picture is moved up or down, and to a side; what comes in is black.
    pub shift: usize,
    /// Probability with which left and right are changed.
    pub flip: f64,
    /// Operations, drawn again for each picture, that it goes through: turning, shearing, moving, and changes of
    /// brightness, contrast, saturation, of the number of its shades, and of all bright ones (as in Cubuk et al. 2020,
    /// "RandAugment").
    pub operations: usize,
    /// How strong these are, from 0 to 10.
    pub magnitude: f64,
    /// Parameter α of the Beta distribution by whose draws the pictures of a batch are mixed in pairs; 0 for no mixture
    /// (Zhang et al. 2018, "mixup").
    pub mixup: f64,
}

/// An operation of [`AugmentConfig::operations`].
#[derive(Debug, Clone, Copy)]
enum Operation {
    Nothing,
    Turn,
    ShearRows,
    ShearColumns,
    MoveRows,
    MoveColumns,
    Brightness,
    Contrast,
    Saturation,
    Posterize,
    Solarize,
    Stretch,
}

const OPERATIONS: [Operation; 12] = [
    Operation::Nothing,
    Operation::Turn,
    Operation::ShearRows,
    Operation::ShearColumns,
    Operation::MoveRows,
    Operation::MoveColumns,
    Operation::Brightness,
    Operation::Contrast,
    Operation::Saturation,
    Operation::Posterize,
    Operation::Solarize,
    Operation::Stretch,
];

impl AugmentConfig {
    /// What is wrong with the settings, if anything is: the setting, and the problem.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        match self.crop {
            Some([least, most]) if !(is_share(least) && is_share(most) && least <= most) => {
                Some(("crop", format!("[{least}, {most}] must be two shares of the area, the smaller one first")))
            }
            _ if !(0.0..=1.0).contains(&self.flip) => Some(("flip", format!("{} must be from 0 to 1", self.flip))),
            _ if !(0.0..=MAGNITUDES).contains(&self.magnitude) => {
                Some(("magnitude", format!("{} must be from 0 to {MAGNITUDES}", self.magnitude)))
            }
            _ if !(self.mixup >= 0.0 && self.mixup.is_finite()) => {
                Some(("mixup", format!("{} must be 0, or a finite number above it", self.mixup)))
            }
            _ => None,
        }
    }

    /// A picture, prepared and changed; `key` is a seed, an epoch and the picture's index.
    pub fn apply(&self, picture: &Picture, processor: &ImageProcessor, key: [u64; 3]) -> Picture {
        let mut random = Random::of(&key);
        let mut prepared = match (self.crop, processor.size()) {
            (Some(shares), Some(size)) => {
                let picture = picture.with_channels(processor.channels);
                picture.resized_part(random_part(picture.size(), shares, &mut random), size, processor.filter)
            }
            _ => processor.prepare(picture),
        };
        if self.shift > 0 {
            let mut draw = || random.below(2 * self.shift + 1) as i64 - self.shift as i64;
            let place = [draw(), draw()];
            prepared = prepared.cut(place, prepared.size());
        }
        if random.chance(self.flip) {
            prepared = prepared.mirrored();
        }
        for _ in 0..self.operations {
            let operation = OPERATIONS[random.below(OPERATIONS.len())];
            prepared = operation.apply(prepared, self.magnitude / MAGNITUDES, &mut random);
        }
        prepared
    }

    /// Mixes the first picture of a batch with the last, the second with the one before it, and so on, by one share.
    pub(crate) fn mix(&self, patches: Patches, classes: &mut [ClassShares], key: [u64; 3]) -> Patches {
        if self.mixup <= 0.0 {
            return patches;
        }
        let share = Random::of(&[key[0], key[1], key[2], 0x006d_6978]).beta(self.mixup) as f32;
        let per_picture = patches.values().len() / patches.n_pictures();
        let own = patches.values().chunks(per_picture);
        let pairs = own.clone().zip(own.rev());
        let mix = |(a, b): (&f32, &f32)| share * a + (1.0 - share) * b;
        let values = pairs.flat_map(|(a, b)| a.iter().zip(b).map(mix)).collect();
        let others: Vec<u32> = classes.iter().rev().map(|shares| shares.class).collect();
        for (shares, other) in classes.iter_mut().zip(others) {
            (shares.other, shares.share) = (other, share);
        }
        Patches::new(values, patches.n_pictures(), patches.grid())
    }
}

/// A part of a picture that has a share of its area between two; the whole of it if none is found.
fn random_part([height, width]: [usize; 2], [least, most]: [f64; 2], random: &mut Random) -> [[f64; 2]; 2] {
    /// Draws, after which the whole is taken.
    const TRIES: usize = 10;
    let (high, wide) = (height as f64, width as f64);
    for _ in 0..TRIES {
        let area = high * wide * random.within(least, most);
        let proportion = random.within(PROPORTIONS[0].ln(), PROPORTIONS[1].ln()).exp();
        let [rows, columns] = [(area / proportion).sqrt().round(), (area * proportion).sqrt().round()];
        if (1.0..=high).contains(&rows) && (1.0..=wide).contains(&columns) {
            let top = random.below((high - rows) as usize + 1) as f64;
            let left = random.below((wide - columns) as usize + 1) as f64;
            return [[top, top + rows], [left, left + columns]];
        }
    }
    [[0.0, high], [0.0, wide]]
}

impl Operation {
    /// The picture that it makes with a strength from 0 to 1.
    fn apply(self, picture: Picture, strength: f64, random: &mut Random) -> Picture {
        let signed = if random.chance(0.5) { strength } else { -strength };
        let [height, width] = picture.size().map(|side| side as f64);
        let moved = |matrix, shift| Affine { matrix, shift }.apply(&picture);
        let (still, identity) = ([0.0; 2], [[1.0, 0.0], [0.0, 1.0]]);
        match self {
            Self::Nothing => picture,
            Self::Turn => {
                let (sin, cos) = (signed * std::f64::consts::FRAC_PI_6).sin_cos();
                moved([[cos, -sin], [sin, cos]], still)
            }
            Self::ShearRows => moved([[1.0, 0.3 * signed], [0.0, 1.0]], still),
            Self::ShearColumns => moved([[1.0, 0.0], [0.3 * signed, 1.0]], still),
            Self::MoveRows => moved(identity, [0.3 * signed * height, 0.0]),
            Self::MoveColumns => moved(identity, [0.0, 0.3 * signed * width]),
            Self::Brightness => picture.mapped(|value| between(0.0, value, 1.0 + 0.9 * signed)),
            Self::Contrast => {
                let sum: u64 = picture.pixels().iter().map(|&value| u64::from(value)).sum();
                let mean = sum as f64 / picture.pixels().len() as f64;
                picture.mapped(|value| between(mean, value, 1.0 + 0.9 * signed))
            }
            Self::Saturation if picture.channels() == 3 => {
                let grey = picture.with_channels(1).into_owned();
                let pixels = picture.pixels().chunks(3).zip(grey.pixels());
                let pixel = |(rgb, &grey): (&[u8], &u8)| {
                    let channel = |&value: &u8| between(f64::from(grey), value, 1.0 + 0.9 * signed);
                    rgb.iter().map(channel).collect::<Vec<u8>>()
                };
                let pixels = pixels.flat_map(pixel).collect();
                Picture::new(picture.size(), 3, pixels)
            }
            Self::Saturation => picture,
            Self::Posterize => {
                let mask = 0xff_u8 << (4.0 * strength).round() as u32;
                picture.mapped(|value| value & mask)
            }
            Self::Solarize => {
                let threshold = 256.0 * (1.0 - strength);
                picture.mapped(|value| if f64::from(value) < threshold { value } else { 255 - value })
            }
            Self::Stretch => {
                let (least, most) = picture.pixels().iter().fold((255, 0), |(a, b), &v| (v.min(a), v.max(b)));
                let range = f64::from(most) - f64::from(least);
                match range > 0.0 {
                    true => picture.mapped(|value| (f64::from(value.max(least) - least) / range * 255.0).round() as u8),
                    false => picture,
                }
            }
        }
    }
}

/// From `from`, at 0, to a value, at 1, and beyond.
fn between(from: f64, value: u8, factor: f64) -> u8 {
    (from + factor * (f64::from(value) - from)).round().clamp(0.0, 255.0) as u8
}
