//! A model with all that its use needs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_model::{ConfigError, ModelConfig, ModelSpec, Role};
use attentive_tokenizer::Tokenizer;
use attentive_weights::{Blocks, Source as _, Tensors, WeightsError, WeightsFile, check_finite};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::{
    Adapter, AdapterMismatch, BundleError, ChatTemplate, DecodingConfig, Dense, EmbeddingConfig, GenerationConfig,
    Lengths, Processor, ReadingConfig, Shortlist, TrainingRecord, WeightFormat,
    folder::{self, CHAT, CONFIG, Folder, PROCESSOR, Parts, SHORTLIST, TOKENIZER, WEIGHTS},
    packed::WithBlocks,
    shared::SharedParams,
    stored::{Params, Stored},
};

/// A model with all that its use needs, on the host.
///
/// `P` is where its parameters are: in memory, or still in their file ([`Bundle::open`]).
#[derive(Clone)]
pub struct Bundle<P = Tensors> {
    /// Where it was read from.
    pub path: PathBuf,
    /// Family, sizes and choices.
    pub model: ModelConfig,
    /// Default settings of translation.
    pub decoding: DecodingConfig,
    /// Default settings of generation.
    pub generation: GenerationConfig,
    /// Default settings of the vectors of texts.
    pub embedding: EmbeddingConfig,
    /// How two texts are read at once, and what a score is.
    pub reading: ReadingConfig,
    /// How long texts may be, as the folder said that it was imported from.
    pub lengths: Lengths,
    /// What turns a user's input into what the model reads.
    pub processor: Processor,
    /// How a conversation is written, if the model was trained for them.
    pub chat: Option<ChatTemplate>,
    /// The tokens that translations are searched among, if not among all.
    pub shortlist: Option<Arc<Shortlist>>,
    /// Parameters, but for those in `blocks`.
    pub params: P,
    /// Matrices that are kept in blocks of few bits, as they came. [`Bundle::unpack`] makes numbers of them.
    pub blocks: BTreeMap<String, Blocks>,
    /// The dense layers of [`EmbeddingConfig::dense`].
    pub dense: Vec<Dense>,
    /// Where the model came from.
    pub record: TrainingRecord,
    /// What else `config.toml` says: the recipe that trained the model.
    pub recipe: Table,
}

/// The part of `config.toml` that makes a model; a recipe has other tables beside it.
#[derive(Serialize, Deserialize)]
struct ConfigFile {
    model: ModelConfig,
    #[serde(default)]
    decoding: DecodingConfig,
    #[serde(default)]
    generation: GenerationConfig,
    #[serde(default, skip_serializing_if = "EmbeddingConfig::is_default")]
    embedding: EmbeddingConfig,
    #[serde(default, skip_serializing_if = "ReadingConfig::is_default")]
    reading: ReadingConfig,
    #[serde(default, skip_serializing_if = "Lengths::is_default")]
    lengths: Lengths,
    #[serde(default, skip_serializing_if = "ChatSettings::is_default")]
    chat: ChatSettings,
}

/// What `config.toml` says of the chat template.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChatSettings {
    /// [`ChatTemplate::tokens`].
    tokens: BTreeMap<String, String>,
}

impl ChatSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Bundle {
    /// A model that comes from `path`, with default settings and without a record.
    pub fn new(
        path: impl Into<PathBuf>,
        model: impl Into<ModelConfig>,
        processor: impl Into<Processor>,
        params: Tensors,
    ) -> Self {
        Self {
            path: path.into(),
            model: model.into(),
            decoding: DecodingConfig::default(),
            generation: GenerationConfig::default(),
            embedding: EmbeddingConfig::default(),
            reading: ReadingConfig::default(),
            lengths: Lengths::default(),
            processor: processor.into(),
            chat: None,
            shortlist: None,
            params,
            blocks: BTreeMap::new(),
            dense: Vec::new(),
            record: TrainingRecord::default(),
            recipe: Table::new(),
        }
    }

    /// Reads a bundle's folder; every file is held against the sum that was recorded when it was written.
    ///
    /// # Errors
    /// [`BundleError`] names the part that is missing, changed, damaged or of another model.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, BundleError> {
        let path = path.as_ref();
        let (folder, record) = Folder::open(path)?;
        let mut blocks = BTreeMap::new();
        let mut bundle = Self::read_parts(&folder, path, record, |n_dense| {
            let file = WeightsFile::open(&folder.checked(WEIGHTS)?)?;
            let mut params = Tensors::new();
            for name in file.names().map(str::to_owned) {
                match file.blocks(&name)? {
                    Some(of_name) => drop(blocks.insert(name, of_name)),
                    None => drop(params.insert(name.clone(), file.tensor(&name)?)),
                }
            }
            check_blocks(&blocks).map_err(|cause| bad_weights(&path.join(WEIGHTS), cause))?;
            let in_blocks: usize = blocks.values().map(|blocks| blocks.shape().iter().product::<usize>()).sum();
            let (params, dense, n_held) = in_memory(path, params, n_dense)?;
            Ok((params, dense, n_held + in_blocks))
        })?;
        bundle.blocks = blocks;
        Ok(bundle)
    }

    /// Makes 32-bit numbers of the matrices in blocks, so that all parameters are in `params`: to change them, or to hand them
    /// over.
    pub fn unpack(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        self.params.extend(blocks.into_iter().map(|(name, blocks)| (name, blocks.to_host())));
    }

    /// A model of a run's folder, which may be unfinished, with parameters from elsewhere: one of its checkpoints.
    ///
    /// # Errors
    /// As [`read`](Self::read); an unfinished run has no sums.
    pub fn of_run(path: &Path, params: Tensors, record: TrainingRecord) -> Result<Self, BundleError> {
        Self::read_parts(&Folder::open_run(path), path, record, |n_dense| in_memory(path, params, n_dense))
    }

    /// Writes a bundle's files into a folder, which may hold others, as a run's does; `config` is the text of `config.toml`,
    /// with a `[model]` table. A chat template and a shortlist that are there stay. Read in the middle of that, it is refused.
    ///
    /// # Errors
    /// [`BundleError::Io`], [`BundleError::Tokenizer`] or [`BundleError::Weights`].
    pub fn write(
        path: &Path,
        config: &str,
        processor: &Processor,
        params: &Tensors,
        record: &TrainingRecord,
    ) -> Result<(), BundleError> {
        let folder = Folder::open_run(path);
        let (chat, shortlist) = (folder.text_of_optional(CHAT)?, folder.bytes_of_optional(SHORTLIST)?);
        let (chat, shortlist, blocks) = (chat.as_deref(), shortlist.as_deref(), &BTreeMap::new());
        Parts { config, processor, chat, shortlist, params, blocks, format: WeightFormat::F32, record }.write(path)
    }

    /// Writes this bundle as a new folder, in one step, its weights in the precision that it decodes in.
    ///
    /// # Errors
    /// [`BundleError::Exists`] if the folder is there and not empty; as [`Bundle::write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), BundleError> {
        self.write_as_one(path.as_ref(), false)
    }

    /// As [`save`](Self::save), in the place of a model that may be there.
    ///
    /// # Errors
    /// [`BundleError::NotAModel`] if the folder holds anything but a model; as [`Bundle::write`].
    pub fn replace(&self, path: impl AsRef<Path>) -> Result<(), BundleError> {
        self.write_as_one(path.as_ref(), true)
    }

    fn write_as_one(&self, path: &Path, replace: bool) -> Result<(), BundleError> {
        if !self.blocks.is_empty() && self.decoding.precision != WeightFormat::Blocks {
            let mut unpacked = self.clone();
            unpacked.unpack();
            return unpacked.write_as_one(path, replace);
        }
        let Self {
            model,
            decoding,
            generation,
            embedding,
            reading,
            lengths,
            processor,
            chat,
            shortlist,
            params,
            blocks,
            dense,
            record,
            ..
        } = self;
        let config = ConfigFile {
            model: model.clone(),
            decoding: decoding.clone(),
            generation: generation.clone(),
            embedding: embedding.clone(),
            chat: ChatSettings { tokens: chat.as_ref().map(|chat| chat.tokens().clone()).unwrap_or_default() },
            reading: reading.clone(),
            lengths: *lengths,
        };
        let chat = chat.as_ref().map(ChatTemplate::text);
        let shortlist = shortlist.as_deref().map(Shortlist::to_json);
        let shortlist = shortlist.as_deref();
        let mut table = self.recipe.clone();
        table.extend(Table::try_from(config).expect("names and numbers"));
        let config = &toml::to_string(&table).expect("a table came from TOML");
        let with_dense = (!dense.is_empty()).then(|| Dense::put(dense, params));
        let params = with_dense.as_ref().unwrap_or(params);
        Parts { config, processor, chat, shortlist, params, blocks, format: decoding.precision, record }
            .write_as_one(path, replace)
    }

    /// Writes `config.toml` alone, as a run does that goes on with other settings: the model that is there stays whole.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn write_config(path: &Path, config: &str) -> Result<(), BundleError> {
        folder::write_config(path, config)
    }

    /// Writes a chat template alone, which [`write`](Self::write) then keeps.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn write_chat(path: &Path, chat: &ChatTemplate) -> Result<(), BundleError> {
        folder::write_chat(path, chat.text())
    }

    /// Writes `training.json` alone.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn write_record(path: &Path, record: &TrainingRecord) -> Result<(), BundleError> {
        folder::write_record(path, record)
    }

    /// A sum of all that makes the model in a folder, wherever it is: of the sums of its files, or, if it is of an older version
    /// and has none, of its record.
    ///
    /// # Errors
    /// [`BundleError`] if there is no record, or it is damaged.
    pub fn sum(path: impl AsRef<Path>) -> Result<String, BundleError> {
        folder::sum(path.as_ref())
    }
}

impl Bundle<Stored> {
    /// Opens a bundle's folder for use: as [`Bundle::read`], but parameters stay in their file until a model is made of
    /// them, one at a time, while the file is held against its sum.
    ///
    /// # Errors
    /// [`BundleError`] names the part that is missing, changed, damaged or of another model; what is wrong with
    /// parameters themselves is told when a model is made.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BundleError> {
        let path = path.as_ref();
        let (folder, record) = Folder::open(path)?;
        Self::read_parts(&folder, path, record, |n_dense| Stored::open(&folder, n_dense))
    }
}

impl Bundle<SharedParams> {
    /// Opens a bundle's folder for several models that differ in their adapters; otherwise as [`Bundle::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open_shared(path: impl AsRef<Path>) -> Result<Self, BundleError> {
        let path = path.as_ref();
        let (folder, record) = Folder::open(path)?;
        Self::read_parts(&folder, path, record, |n_dense| {
            let (stored, dense, n_held) = Stored::open(&folder, n_dense)?;
            Ok((SharedParams::new(stored), dense, n_held))
        })
    }

    /// The model of this folder with an adapter, which is added in use: the models that are made of both have all else in
    /// memory once. It takes the place of an adapter that this may have.
    ///
    /// # Errors
    /// [`AdapterMismatch`] lists what the model does not have, or has in another shape.
    pub fn with_adapter(&self, adapter: Adapter) -> Result<Self, AdapterMismatch> {
        let mut bundle = self.with_params(self.params.with_adapter(adapter)?);
        bundle.record.scores.clear(); // they were another model's
        Ok(bundle)
    }

    /// What tells the model from any other: the sum of its folder, as [`Bundle::sum`] has it, and that of its adapter.
    ///
    /// # Errors
    /// As there.
    pub fn identity(&self) -> Result<String, BundleError> {
        let sum = folder::sum(&self.path)?;
        Ok(match self.params.sum_of_adapter() {
            Some(of_adapter) => format!("{sum} {of_adapter}"),
            None => sum,
        })
    }
}

impl<P> Bundle<P> {
    /// The same with other parameters, which are all of the model's.
    pub fn with_params<Q>(&self, params: Q) -> Bundle<Q> {
        Bundle {
            path: self.path.clone(),
            model: self.model.clone(),
            decoding: self.decoding.clone(),
            generation: self.generation.clone(),
            embedding: self.embedding.clone(),
            reading: self.reading.clone(),
            lengths: self.lengths,
            processor: self.processor.clone(),
            chat: self.chat.clone(),
            shortlist: self.shortlist.clone(),
            params,
            blocks: BTreeMap::new(),
            dense: self.dense.clone(),
            record: self.record.clone(),
            recipe: self.recipe.clone(),
        }
    }
}

impl<P: Params> Bundle<P> {
    /// Reads the parts of a folder; `params` gets the number of dense layers, and gives parameters, those layers, and
    /// the number of values that the file of weights holds.
    fn read_parts(
        folder: &Folder<'_>,
        path: &Path,
        record: TrainingRecord,
        params: impl FnOnce(usize) -> Result<(P, Vec<Dense>, usize), BundleError>,
    ) -> Result<Self, BundleError> {
        let text = folder.text(CONFIG)?;
        let damaged = |part: &str, problem: String| BundleError::Damaged { path: path.join(part), problem };
        let not_toml = |cause: toml::de::Error| damaged(CONFIG, cause.to_string().trim().to_owned());
        let ConfigFile { model, decoding, generation, embedding, reading, lengths, chat } =
            toml::from_str(&text).map_err(not_toml)?;
        let own = ["model", "decoding", "generation", "embedding", "reading", "lengths", "chat"];
        let is_own = |key: &str| own.contains(&key);
        let recipe: Table = toml::from_str(&text).map_err(not_toml)?;
        let recipe = recipe.into_iter().filter(|(key, _)| !is_own(key)).collect();
        model.validate().map_err(|cause| BundleError::Config { path: folder.place(CONFIG), cause })?;
        let setting = |table, cause| BundleError::Setting { path: path.join(CONFIG), table, cause };
        decoding.validate().map_err(|cause| setting("decoding", cause))?;
        generation.sampling.validate().map_err(|cause| setting("generation.sampling", cause))?;
        generation.validate().map_err(|cause| setting("generation", cause))?;
        for (table, problem) in [("embedding", embedding.problem()), ("reading", reading.problem())] {
            if let Some(problem) = problem {
                return Err(damaged(CONFIG, format!("{table}: {problem}")));
            }
        }

        let processor = if let Some(processor) = Processor::read(folder)? {
            processor
        } else if folder.is_without(TOKENIZER) {
            Processor::None
        } else {
            attentive_tokenizer::load(&folder.checked(TOKENIZER)?)?.into()
        };
        if let Some(tokenizer) = processor.tokenizer() {
            fits(&**tokenizer, &model, &folder.place(TOKENIZER))?;
        }
        if let Some(problem) = processor.speech().and_then(|speech| speech.tokens.problem(model.vocab_size())) {
            return Err(damaged(PROCESSOR, problem));
        }
        let chat = folder.text_of_optional(CHAT)?.map(|text| {
            let template = ChatTemplate::new(text).map_err(|cause| damaged(CHAT, cause.to_string()))?;
            Ok::<_, BundleError>(template.with_tokens(chat.tokens))
        });
        let chat = chat.transpose()?;
        let shortlist = Shortlist::read(folder, &model)?.map(Arc::new);
        let (params, dense, n_held) = params(embedding.dense.len())?;
        // A model is made before weights are loaded into it: sizes that are damaged must not take all memory.
        if model.n_params() > 2 * n_held {
            let problem = format!("its model has {} parameters, and {WEIGHTS} holds {n_held}", model.n_params());
            return Err(damaged(CONFIG, problem));
        }
        Ok(Self {
            path: path.to_owned(),
            model,
            decoding,
            generation,
            embedding,
            reading,
            lengths,
            processor,
            chat,
            shortlist,
            params,
            blocks: BTreeMap::new(),
            dense,
            record,
            recipe,
        })
    }

    /// Text to ids and back.
    ///
    /// # Errors
    /// [`BundleError::NoTokenizer`] if the model neither reads nor writes text.
    pub fn tokenizer(&self) -> Result<&Arc<dyn Tokenizer>, BundleError> {
        self.processor.tokenizer().ok_or_else(|| BundleError::NoTokenizer { path: self.path.clone() })
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
        let loaded = WithBlocks(self).all().and_then(|params| attentive_weights::load(model, params));
        self.params.verify()?;
        loaded.map_err(|cause| self.bad_weights(cause))
    }

    /// The error of a use that takes models of the role `wanted`, where this model has another.
    pub fn other_role(&self, wanted: Role) -> BundleError {
        self.other_family(format!("{wanted}: {}", wanted.families().join(" or ")))
    }

    fn other_family(&self, wanted: String) -> BundleError {
        BundleError::Family { path: self.path.clone(), family: self.model.family(), role: self.model.role(), wanted }
    }

    pub(crate) fn bad_config(&self, cause: ConfigError) -> BundleError {
        BundleError::Config { path: self.path.join(CONFIG), cause }
    }

    pub(crate) fn bad_weights(&self, cause: WeightsError) -> BundleError {
        bad_weights(&self.path.join(WEIGHTS), cause)
    }
}

/// What is wrong with the weights of a file.
pub(crate) fn bad_weights(path: &Path, cause: WeightsError) -> BundleError {
    match cause {
        WeightsError::Mismatch { .. } | WeightsError::NotFinite { .. } => {
            BundleError::Damaged { path: path.to_owned(), problem: cause.to_string() }
        }
        cause => cause.into(),
    }
}

/// Checks that all matrices in blocks are finite.
fn check_blocks(blocks: &BTreeMap<String, Blocks>) -> Result<(), WeightsError> {
    blocks.iter().try_for_each(|(name, blocks)| blocks.check_finite(name))
}

/// Parameters that were read, which are finite, the dense layers among them, and the number of all values.
fn in_memory(path: &Path, mut params: Tensors, n_dense: usize) -> Result<(Tensors, Vec<Dense>, usize), BundleError> {
    let path = path.join(WEIGHTS);
    check_finite(&params).map_err(|cause| bad_weights(&path, cause))?;
    let dense = Dense::take(n_dense, &mut params).map_err(|problem| BundleError::Damaged { path, problem })?;
    let n_held = params.values().map(|tensor| tensor.values.len()).sum();
    Ok((params, dense, n_held))
}

/// Checks that every id of a tokenizer has a place in the model's tables.
fn fits(tokenizer: &dyn Tokenizer, model: &ModelConfig, path: &Path) -> Result<(), BundleError> {
    let vocabulary = |side, tokenizer, model| BundleError::Vocabulary { path: path.to_owned(), side, tokenizer, model };
    // A table may have rows that no token has, as those that are padded to a multiple of 64: none of them is chosen.
    let (found, expected) = (tokenizer.vocab_size(), model.vocab_size());
    if found > expected {
        return Err(vocabulary("", found, expected));
    }
    let (found, expected) = (tokenizer.source_vocab_size(), model.source_vocab_size());
    if found > expected {
        return Err(vocabulary(" for sources", found, expected));
    }
    // Sources are ended; the others are of targets.
    let (specials, targets) = (tokenizer.specials(), model.vocab_size());
    let of_sources = specials.end().map(|id| (id, expected));
    let mut places = specials.iter().map(|id| (id, targets)).chain(of_sources);
    match places.find(|&(id, entries)| id as usize >= entries) {
        Some((id, entries)) => Err(BundleError::SpecialBeyond { path: path.to_owned(), id, entries }),
        None => Ok(()),
    }
}

impl<P: Params> std::fmt::Debug for Bundle<P> {
    /// Everything but the values of parameters.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            path,
            model,
            decoding,
            generation,
            embedding,
            reading,
            lengths,
            processor,
            chat,
            shortlist,
            params,
            blocks,
            dense,
            record,
            recipe: _,
        } = self;
        f.debug_struct("Bundle")
            .field("path", path)
            .field("model", model)
            .field("decoding", decoding)
            .field("generation", generation)
            .field("embedding", embedding)
            .field("reading", reading)
            .field("lengths", lengths)
            .field("processor", processor)
            .field("chat", chat)
            .field("has_shortlist", &shortlist.is_some())
            .field("n_params", &params.names().len())
            .field("n_blocks", &blocks.len())
            .field("n_dense", &dense.len())
            .field("record", record)
            .finish_non_exhaustive()
    }
}
