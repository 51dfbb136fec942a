//! A model's folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_engine::CpuTransformer;
use attentive_model::{ConfigError, EncoderDecoderSpec, FamilyVisitor, ModelConfig, ModelSpec, Role};
use attentive_tokenizer::Tokenizer;
use attentive_weights::{Tensors, WeightsError};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    BundleError, DecodingConfig, GenerationConfig, Precision, TrainingRecord, TranslationModel,
    translation_model::packable,
};

const CONFIG: &str = "config.toml";
const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "model.safetensors";
const RECORD: &str = "training.json";

/// A model with all that its use needs, on the host.
pub struct Bundle {
    /// Where it was read from.
    pub path: PathBuf,
    /// Family, sizes and choices.
    pub model: ModelConfig,
    /// How to translate unless told otherwise.
    pub decoding: DecodingConfig,
    /// How to write unless told otherwise.
    pub generation: GenerationConfig,
    /// Text to ids and back.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Parameters.
    pub params: Tensors,
    /// Where the model came from.
    pub record: TrainingRecord,
}

/// The part of `config.toml` that makes a model; a recipe has other tables beside it.
#[derive(Serialize, Deserialize)]
struct ConfigFile {
    model: ModelConfig,
    #[serde(default)]
    decoding: DecodingConfig,
    #[serde(default)]
    generation: GenerationConfig,
}

impl Bundle {
    /// Reads a bundle's folder.
    ///
    /// # Errors
    /// [`BundleError`] names the part that is missing, damaged or of another model.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        if !path.is_dir() {
            return Err(BundleError::NoFolder { path: path.to_owned() });
        }
        let text = read_part(path, CONFIG)?;
        let damaged = |part: &str, problem: String| BundleError::Damaged { path: path.join(part), problem };
        let ConfigFile { model, decoding, generation } =
            toml::from_str(&text).map_err(|cause| damaged(CONFIG, cause.to_string().trim().to_owned()))?;
        let record = serde_json::from_str(&read_part(path, RECORD)?)
            .map_err(|cause| damaged(RECORD, format!("{cause}; the file is damaged: copy it again")))?;

        let tokenizer_path = part_path(path, TOKENIZER)?;
        let tokenizer: Arc<dyn Tokenizer> = attentive_tokenizer::load(&tokenizer_path)?.into();
        let (found, expected) = (tokenizer.vocab_size(), model.vocab_size());
        if found != expected {
            return Err(BundleError::Vocabulary { path: tokenizer_path, tokenizer: found, model: expected });
        }
        let params = attentive_weights::read(&part_path(path, WEIGHTS)?)?;
        // A model is made before weights are loaded into it: sizes that are damaged must not take all memory.
        let n_held: usize = params.values().map(|tensor| tensor.values.len()).sum();
        if model.validate().is_ok() && model.n_params() > 2 * n_held {
            let problem = format!("its model has {} parameters, and {WEIGHTS} holds {n_held}", model.n_params());
            return Err(damaged(CONFIG, problem));
        }
        Ok(Self { path: path.to_owned(), model, decoding, generation, tokenizer, params, record })
    }

    /// Writes a bundle's folder; `config` is the text of `config.toml`, with a `[model]` table.
    ///
    /// # Errors
    /// [`BundleError::Io`], [`BundleError::Tokenizer`] or [`BundleError::Weights`].
    pub fn write(
        path: &Path,
        config: &str,
        tokenizer: &dyn Tokenizer,
        params: &Tensors,
        record: &TrainingRecord,
    ) -> Result<(), BundleError> {
        Self::write_at(Precision::F32, path, config, tokenizer, params, record)
    }

    fn write_at(
        precision: Precision,
        path: &Path,
        config: &str,
        tokenizer: &dyn Tokenizer,
        params: &Tensors,
        record: &TrainingRecord,
    ) -> Result<(), BundleError> {
        fs::create_dir_all(path).map_err(|cause| BundleError::Io { path: path.to_owned(), cause })?;
        write_part(path, CONFIG, config.as_bytes())?;
        attentive_tokenizer::save(tokenizer, &path.join(TOKENIZER))?;
        let axis = |name: &str| match precision {
            Precision::F32 => None,
            Precision::Int8 => attentive_engine::int8_axis(name),
        };
        attentive_weights::write_some_int8(&path.join(WEIGHTS), params, axis, &BTreeMap::new())?;
        Self::write_record(path, record)
    }

    /// Writes this bundle into another folder, its weights in the precision that it decodes in.
    ///
    /// # Errors
    /// As [`Bundle::write`].
    pub fn save(&self, path: &Path) -> Result<(), BundleError> {
        let (decoding, generation) = (self.decoding.clone(), self.generation.clone());
        let config = ConfigFile { model: self.model.clone(), decoding, generation };
        let config = toml::to_string(&config).expect("names and numbers");
        Self::write_at(self.decoding.precision, path, &config, &*self.tokenizer, &self.params, &self.record)
    }

    /// Writes `training.json` alone.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn write_record(path: &Path, record: &TrainingRecord) -> Result<(), BundleError> {
        let json = serde_json::to_vec_pretty(record).expect("numbers and names");
        write_part(path, RECORD, &json)
    }

    /// The configuration as one of the family `C`.
    ///
    /// # Errors
    /// [`BundleError::Family`] if the model is of another family.
    pub fn spec<C: ModelSpec>(&self) -> Result<C, BundleError> {
        self.model.spec().ok_or_else(|| self.other_family(format!("a model of the family {}", C::FAMILY)))
    }

    /// The model on `device`, its family being `C`.
    ///
    /// # Errors
    /// [`BundleError`] if the model is of another family, or configuration and weights do not fit.
    pub fn model<C: ModelSpec>(&self, device: &Device) -> Result<C::Model, BundleError> {
        let model = self.spec::<C>()?.blank(device).map_err(|cause| self.bad_config(cause))?;
        attentive_weights::load(model, self.params.clone()).map_err(|cause| self.bad_weights(cause))
    }

    /// The encoder–decoder of this bundle, of any family, in the form that `device` runs best.
    ///
    /// # Errors
    /// [`BundleError`] if the model is not an encoder–decoder, configuration and weights do not fit, or `device` has no
    /// such precision for it.
    pub fn translation_model(
        &self,
        device: &Device,
        precision: Option<Precision>,
    ) -> Result<TranslationModel, BundleError> {
        self.model.visit(Translating { bundle: self, device, precision })
    }

    /// The error of a use that takes models of the role `wanted`, where this model has another.
    pub fn other_role(&self, wanted: Role) -> BundleError {
        self.other_family(format!("{wanted}: {}", wanted.families().join(" or ")))
    }

    fn other_family(&self, wanted: String) -> BundleError {
        BundleError::Family { path: self.path.clone(), family: self.model.family(), role: self.model.role(), wanted }
    }

    fn bad_config(&self, cause: ConfigError) -> BundleError {
        BundleError::Config { path: self.path.join(CONFIG), cause }
    }

    fn bad_weights(&self, cause: WeightsError) -> BundleError {
        match cause {
            WeightsError::Mismatch { .. } => {
                BundleError::Damaged { path: self.path.join(WEIGHTS), problem: cause.to_string() }
            }
            cause => cause.into(),
        }
    }
}

/// A bundle's encoder–decoder on its way to a device.
struct Translating<'a> {
    bundle: &'a Bundle,
    device: &'a Device,
    precision: Option<Precision>,
}

impl FamilyVisitor for Translating<'_> {
    type Output = Result<TranslationModel, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::EncoderDecoder))
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, spec: &C) -> Self::Output {
        let Self { bundle, device, precision } = self;
        if let Some(config) = packable(spec, device) {
            config.validate().map_err(|cause| bundle.bad_config(cause))?;
            let precision = precision.unwrap_or(bundle.decoding.precision);
            let model = CpuTransformer::new(config, bundle.params.clone(), precision, device);
            return Ok(TranslationModel::of(model.map_err(|cause| bundle.bad_weights(cause))?));
        }
        if let Some(precision @ Precision::Int8) = precision {
            return Err(BundleError::Precision { precision });
        }
        Ok(TranslationModel::of(bundle.model::<C>(device)?))
    }
}

fn part_path(path: &Path, part: &str) -> Result<PathBuf, BundleError> {
    let path = path.join(part);
    if path.exists() { Ok(path) } else { Err(BundleError::MissingPart { path }) }
}

fn read_part(path: &Path, part: &str) -> Result<String, BundleError> {
    let path = part_path(path, part)?;
    fs::read_to_string(&path).map_err(|cause| BundleError::Io { path, cause })
}

fn write_part(path: &Path, part: &str, bytes: &[u8]) -> Result<(), BundleError> {
    let path = path.join(part);
    attentive_weights::write_atomically(&path, bytes).map_err(|cause| BundleError::Io { path, cause })
}
