//! A model's folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use attentive_engine::CpuTransformer;
use attentive_model::{
    Bert, BertConfig, Canine, CanineConfig, ConfigError, Gpt, GptConfig, Rnn, RnnConfig, Transformer,
    TransformerConfig, canine::N_CODE_POINTS,
};
use attentive_tokenizer::Tokenizer;
use attentive_weights::{Tensors, WeightsError};
use burn::{module::Module, tensor::Device};
use serde::{Deserialize, Serialize};

use crate::{BundleError, DecodingConfig, GenerationConfig, Precision, TrainingRecord, TranslationModel};

const CONFIG: &str = "config.toml";
const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "model.safetensors";
const RECORD: &str = "training.json";

/// The family of a model, with its sizes and choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub enum ModelConfig {
    /// The encoder–decoder Transformer.
    Transformer(TransformerConfig),
    /// The RNN encoder–decoder with additive attention.
    Rnn(RnnConfig),
    /// The decoder alone, as a language model.
    Gpt(GptConfig),
    /// The encoder alone: BERT, RoBERTa.
    Bert(BertConfig),
    /// The encoder of characters: CANINE.
    Canine(CanineConfig),
}

impl From<TransformerConfig> for ModelConfig {
    fn from(config: TransformerConfig) -> Self {
        Self::Transformer(config)
    }
}

impl From<RnnConfig> for ModelConfig {
    fn from(config: RnnConfig) -> Self {
        Self::Rnn(config)
    }
}

impl From<BertConfig> for ModelConfig {
    fn from(config: BertConfig) -> Self {
        Self::Bert(config)
    }
}

impl From<CanineConfig> for ModelConfig {
    fn from(config: CanineConfig) -> Self {
        Self::Canine(config)
    }
}

impl ModelConfig {
    /// The family's name in `config.toml`.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Transformer(_) => "transformer",
            Self::Rnn(_) => "rnn",
            Self::Gpt(_) => "gpt",
            Self::Bert(_) => "bert",
            Self::Canine(_) => "canine",
        }
    }

    /// Entries of the vocabulary that the model writes in.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Transformer(config) => config.target_vocab_size,
            Self::Rnn(config) => config.target_vocab_size,
            Self::Gpt(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
            Self::Canine(_) => N_CODE_POINTS,
        }
    }

    /// Holds every setting against its range.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Transformer(config) => config.validate(),
            Self::Rnn(config) => config.validate(),
            Self::Gpt(config) => config.validate(),
            Self::Bert(config) => config.validate(),
            Self::Canine(config) => config.validate(),
        }
    }

    /// Number of parameters, computed without allocating any.
    pub fn n_params(&self) -> usize {
        match self {
            Self::Transformer(config) => config.n_params(),
            Self::Rnn(config) => config.n_params(),
            Self::Gpt(config) => config.n_params(),
            Self::Bert(config) => config.n_params(),
            Self::Canine(config) => config.n_params(),
        }
    }
}

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
    pub tokenizer: Box<dyn Tokenizer>,
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
        let tokenizer = attentive_tokenizer::load(&tokenizer_path)?;
        let (found, expected) = (tokenizer.vocab_size(), model.vocab_size());
        // A table may have rows that no token has, as those that are padded to a multiple of 64: none of them is chosen.
        if found > expected {
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

    /// The Transformer of this bundle on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the model is of another family, or configuration and weights do not fit.
    pub fn transformer(&self, device: &Device) -> Result<Transformer, BundleError> {
        self.load(self.transformer_config()?.init(device, 0))
    }

    /// The RNN of this bundle on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the model is of another family, or configuration and weights do not fit.
    pub fn rnn(&self, device: &Device) -> Result<Rnn, BundleError> {
        match &self.model {
            ModelConfig::Rnn(config) => self.load(config.init(device, 0)),
            other => Err(self.other_family(other, "rnn")),
        }
    }

    /// The encoder–decoder of this bundle in the form that `device` runs best.
    ///
    /// # Errors
    /// [`BundleError`] if the model is of another family, configuration and weights do not fit, or `device` has no such
    /// precision for it.
    pub fn translation_model(
        &self,
        device: &Device,
        precision: Option<Precision>,
    ) -> Result<TranslationModel, BundleError> {
        let transformer = match &self.model {
            ModelConfig::Rnn(_) => None,
            _ => Some(self.transformer_config()?),
        };
        let packed =
            |config: &&TransformerConfig| attentive_backend::has_kernels(device) && CpuTransformer::covers(config);
        if let Some(config) = transformer.filter(packed) {
            config.validate().map_err(|cause| self.bad_config(cause))?;
            let precision = precision.unwrap_or(self.decoding.precision);
            let model = CpuTransformer::new(config, self.params.clone(), precision, device);
            return Ok(TranslationModel::Cpu(Box::new(model.map_err(|cause| self.bad_weights(cause))?)));
        }
        if let Some(precision @ Precision::Int8) = precision {
            return Err(BundleError::Precision { precision });
        }
        Ok(match transformer {
            Some(_) => TranslationModel::Tensors(Box::new(self.transformer(device)?)),
            None => TranslationModel::Rnn(Box::new(self.rnn(device)?)),
        })
    }

    /// The language model of this bundle on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the model is of another family, or configuration and weights do not fit.
    pub fn gpt(&self, device: &Device) -> Result<Gpt, BundleError> {
        match &self.model {
            ModelConfig::Gpt(config) => self.load(config.init(device, 0)),
            other => Err(self.other_family(other, "gpt")),
        }
    }

    /// The encoder of this bundle on `device`, and the names of its classes.
    ///
    /// # Errors
    /// [`BundleError`] if the model is of another family, or configuration and weights do not fit.
    pub fn bert(&self, device: &Device) -> Result<(Bert, Vec<String>), BundleError> {
        match &self.model {
            ModelConfig::Bert(config) => Ok((self.load(config.init(device, 0))?, config.labels.clone())),
            other => Err(self.other_family(other, "bert")),
        }
    }

    /// The encoder of characters of this bundle on `device`, and the names of its classes.
    ///
    /// # Errors
    /// [`BundleError`] if the model is of another family, or configuration and weights do not fit.
    pub fn canine(&self, device: &Device) -> Result<(Canine, Vec<String>), BundleError> {
        match &self.model {
            ModelConfig::Canine(config) => Ok((self.load(config.init(device, 0))?, config.labels.clone())),
            other => Err(self.other_family(other, "canine")),
        }
    }

    fn transformer_config(&self) -> Result<&TransformerConfig, BundleError> {
        match &self.model {
            ModelConfig::Transformer(config) => Ok(config),
            other => Err(self.other_family(other, "transformer")),
        }
    }

    fn load<M: Module>(&self, model: Result<M, ConfigError>) -> Result<M, BundleError> {
        let model = model.map_err(|cause| self.bad_config(cause))?;
        attentive_weights::load(model, self.params.clone()).map_err(|cause| self.bad_weights(cause))
    }

    fn other_family(&self, model: &ModelConfig, wanted: &'static str) -> BundleError {
        BundleError::Family { path: self.path.clone(), family: model.family(), wanted }
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
