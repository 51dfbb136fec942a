//! `preprocessor_config.json`: how pictures become numbers.

use std::path::Path;

use attentive_model::VitConfig;
use attentive_vision::{Filter, ImageProcessor, Resize};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{InterchangeError, files, reader::Reader};

const FILE: &str = "preprocessor_config.json";

/// Filters by Pillow's numbers.
const FILTERS: [Filter; 6] =
    [Filter::Nearest, Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Box, Filter::Hamming];

/// Settings that say nothing of the numbers: names of classes, and what is done with a batch.
const OF_NO_EFFECT: [&str; 13] = [
    "_processor_class",
    "_valid_processor_keys",
    "data_format",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_convert_rgb",
    "feature_extractor_type",
    "image_processor_type",
    "input_data_format",
    "processor_class",
    "return_tensors",
    "transformers_version",
];

/// A size as transformers writes it, of any version.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "expected a side, height and width, or shortest_edge")]
enum Size {
    Square(usize),
    Exact { height: usize, width: usize },
    Shorter { shortest_edge: usize },
}

/// One number, or one for each channel.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list of numbers")]
enum Numbers {
    One(f64),
    Many(Vec<f64>),
}

/// The settings of the file; what is missing is the class's default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct TheirProcessor {
    do_resize: Option<bool>,
    size: Option<Size>,
    resample: Option<usize>,
    do_center_crop: Option<bool>,
    crop_size: Option<Size>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<Numbers>,
    image_std: Option<Numbers>,
}

/// The processor of a folder's model; without a file, ViT's usual one, which is noted.
///
/// # Errors
/// [`InterchangeError::Damaged`], [`InterchangeError::Io`], and [`InterchangeError::Unsupported`] for settings that are
/// not followed here.
pub(super) fn read(reader: &mut Reader<'_>, config: &VitConfig) -> Result<ImageProcessor, InterchangeError> {
    let path = reader.folder.join(FILE);
    let (side, channels) = (config.image_size, config.n_channels);
    if !path.is_file() {
        let note = format!(
            "there is no {FILE}: pictures become {side} × {side} pixels with values from -1 to 1, as ViT's usually do"
        );
        reader.notes.push(note);
        return Ok(ImageProcessor::square(side, channels));
    }
    let mut settings: Map<String, Value> = files::read_json(&path)?;
    settings.retain(|_, value| !value.is_null());
    let theirs: TheirProcessor =
        Deserialize::deserialize(Value::Object(settings.clone())).map_err(InterchangeError::damaged(&path))?;
    let known = crate::settings::fields_of::<TheirProcessor>();
    let is_read = |key: &str| known.contains(&key) || OF_NO_EFFECT.contains(&key);
    let left: Vec<String> =
        settings.iter().filter(|(key, _)| !is_read(key)).map(|(key, value)| format!("{key} = {value}")).collect();
    if !left.is_empty() {
        reader.notes.push(format!("{FILE}: not followed here: {}", left.join(", ")));
    }
    let class = settings.get("image_processor_type").or_else(|| settings.get("feature_extractor_type"));
    let class = class.and_then(Value::as_str).unwrap_or("ViTImageProcessor");
    let unsupported = |problem: String| InterchangeError::Unsupported { path: path.clone(), problems: vec![problem] };
    let processor = theirs.to_ours(class, side, channels).map_err(unsupported)?;
    match processor.problem() {
        Some(problem) => Err(unsupported(problem)),
        None => Ok(processor),
    }
}

impl TheirProcessor {
    /// Our processor of pictures of `side` pixels and `channels`; or what is not followed here.
    fn to_ours(&self, class: &str, side: usize, channels: usize) -> Result<ImageProcessor, String> {
        let is_deit = class.starts_with("DeiT");
        let is_vit = class.starts_with("ViT") || is_deit;
        let unknown = |key: &str| format!("{key} is missing, and what {class} does then is not known here");
        let said = |key: &str, value: Option<bool>, default: bool| match (value, is_vit) {
            (Some(value), _) => Ok(value),
            (None, true) => Ok(default),
            (None, false) => Err(unknown(key)),
        };
        let resize = match (said("do_resize", self.do_resize, true)?, self.size) {
            (false, _) => None,
            (true, None) if is_deit => Some(Resize::Exact([256; 2])),
            (true, None) if is_vit => Some(Resize::Exact([side; 2])),
            (true, None) => return Err(unknown("size")),
            (true, Some(Size::Square(side))) if is_vit => Some(Resize::Exact([side; 2])),
            (true, Some(Size::Square(side))) if class.starts_with("CLIP") => Some(Resize::Shorter(side)),
            (true, Some(Size::Square(side))) => {
                return Err(format!(
                    "size is {side}, and whether {class} makes that both sides or the shorter one is not known here: \
                     give height and width, or shortest_edge"
                ));
            }
            (true, Some(Size::Exact { height, width })) => Some(Resize::Exact([height, width])),
            (true, Some(Size::Shorter { shortest_edge })) => Some(Resize::Shorter(shortest_edge)),
        };
        let crop = match (said("do_center_crop", self.do_center_crop, is_deit)?, self.crop_size) {
            (false, _) => None,
            (true, None) if !is_vit => return Err(unknown("crop_size")),
            (true, None) => Some([side; 2]),
            (true, Some(Size::Square(side))) => Some([side; 2]),
            (true, Some(Size::Exact { height, width })) => Some([height, width]),
            (true, Some(Size::Shorter { .. })) => {
                return Err("crop_size has a shortest_edge: give height and width".into());
            }
        };
        if self.resample.is_none() && resize.is_some() && !is_vit {
            return Err(unknown("resample"));
        }
        let resample = self.resample.unwrap_or(if is_deit { 3 } else { 2 });
        let filter = *FILTERS.get(resample).ok_or_else(|| format!("resample is {resample}; Pillow has 0 to 5"))?;
        let numbers = |key: &str, numbers: &Option<Numbers>| match numbers {
            None if !is_vit => Err(unknown(key)),
            None => Ok(vec![0.5]),
            Some(Numbers::One(number)) => Ok(vec![*number]),
            Some(Numbers::Many(numbers)) => Ok(numbers.clone()),
        };
        let normalises = said("do_normalize", self.do_normalize, true)?;
        let [mean, std] = match normalises {
            true => [numbers("image_mean", &self.image_mean)?, numbers("image_std", &self.image_std)?],
            false => [vec![0.0], vec![1.0]],
        };
        let scale = match said("do_rescale", self.do_rescale, true)? {
            true => self.rescale_factor.unwrap_or(1.0 / 255.0),
            false => 1.0,
        };
        Ok(ImageProcessor { channels, resize, filter, crop, scale, mean, std })
    }
}

/// Writes the file; a note of what the other system does not do.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(super) fn write(processor: &ImageProcessor, folder: &Path) -> Result<Option<String>, InterchangeError> {
    let ImageProcessor { channels, resize, filter, crop, scale, ref mean, ref std } = *processor;
    let size = |[height, width]: [usize; 2]| json!({ "height": height, "width": width });
    // Of older versions, each class does one of these alone.
    let class = match (resize, crop) {
        (Some(Resize::Shorter(_)), _) => "BitImageProcessor",
        (_, Some(_)) => "DeiTImageProcessor",
        (_, None) => "ViTImageProcessor",
    };
    let each =
        |numbers: &[f64]| (0..channels).map(|channel| numbers[channel.min(numbers.len() - 1)]).collect::<Vec<f64>>();
    let resample = FILTERS.iter().position(|&other| other == filter);
    let mut written = json!({
        "image_processor_type": class,
        "do_resize": resize.is_some(),
        "resample": resample,
        "do_center_crop": crop.is_some(),
        "do_rescale": true,
        "rescale_factor": scale,
        "do_normalize": true,
        "image_mean": each(mean),
        "image_std": each(std),
    });
    match resize {
        Some(Resize::Exact(sides)) => written["size"] = size(sides),
        Some(Resize::Shorter(side)) => written["size"] = json!({ "shortest_edge": side }),
        None => {}
    }
    if let Some(sides) = crop {
        written["crop_size"] = size(sides);
    }
    if class == "BitImageProcessor" {
        written["do_convert_rgb"] = json!(channels == 3);
    }
    files::write_json(&folder.join(FILE), &written)?;
    Ok((channels == 1).then(|| "transformers does not make pictures grey: give it pictures of one channel".to_owned()))
}
