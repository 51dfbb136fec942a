//! CTranslate2's folders of encoder–decoders on their way in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use attentive_attention::{Activation, NormPlacement, PositionsConfig};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::Tokenizer;
use attentive_weights::ModelBin;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::names::{CTranslate2, PROJECTION, PROJECTION_BIAS, SOURCE, TARGET, embedding_norm, positions};
use super::whisper;
use crate::{
    ImportConfig, Imported, InterchangeError, files,
    layout::Order,
    source::{File, Source},
    tokenizers::{self, OURS, SpecialIds},
    translators::{self, PositionTable, Roles, Vocabularies},
};

/// The file that tells such a folder.
pub(crate) const MODEL: &str = "model.bin";
const CONFIG: &str = "config.json";
/// The kind of model that is read, and the revision of its names.
const SPEC: (&str, u32) = ("TransformerSpec", 7);
/// Lists of candidates for each source, which speed up its search.
const CANDIDATES: &str = "vmap.txt";

/// The settings of `config.json`, with CTranslate2's defaults.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Config {
    unk_token: String,
    eos_token: String,
    decoder_start_token: Option<String>,
    add_source_bos: bool,
    add_source_eos: bool,
    layer_norm_epsilon: Option<f64>,
    multi_query_attention: bool,
    /// Has a role in models of text alone.
    #[serde(rename = "bos_token")]
    _bos_token: Value,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            unk_token: "<unk>".into(),
            eos_token: "</s>".into(),
            decoder_start_token: Some("<s>".into()),
            add_source_bos: false,
            add_source_eos: false,
            layer_norm_epsilon: None,
            multi_query_attention: false,
            _bos_token: Value::Null,
            unknown: Map::new(),
        }
    }
}

/// Reads a folder; weights of any kind of number become f32.
///
/// # Errors
/// [`InterchangeError`]: another kind of model, settings or tensors that do not fit, no tokenizer, damaged files.
pub(crate) fn import(folder: &Path, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let path = folder.join(MODEL);
    let file = ModelBin::open(&path)?;
    if file.spec() == whisper::SPEC.0 && file.revision() == whisper::SPEC.1 {
        return whisper::import(folder, file, options);
    }
    check_spec(&file, &path)?;
    let theirs: Config = files::read_json(&folder.join(CONFIG))?;
    let start = theirs.check(&folder.join(CONFIG))?;
    let mut notes = theirs.notes(folder);
    let mut settings = Settings::new(&file);
    let mut config = TransformerConfig { epsilon: theirs.layer_norm_epsilon.unwrap_or(1e-5), ..config(&mut settings) };
    let begins_with_zero = settings.flag("decoder/start_from_zero_embedding");
    settings.finish(&path)?;
    config.share_embeddings = file.stored_name(SOURCE) == file.stored_name(TARGET);
    config.tie_projection = file.stored_name(PROJECTION) == file.stored_name(TARGET);

    let mut source = Source::of(&path, vec![File::ModelBin(file)])?;
    let stored = source.kinds();
    source.drop_if(SOURCE, config.share_embeddings);
    source.drop_if(PROJECTION, config.tie_projection);
    let order = settle_positions(&mut source, &mut config, &mut notes)?;
    config.projection_bias = source.has(PROJECTION_BIAS);
    config.embedding_norm = source.has_any(&embedding_norm("encoder"));
    config.validate()?;
    let (slots, missing) = translators::split_biases(translators::slots(&config, &CTranslate2), &source);
    let mut params = source.take(slots, &order)?;
    params.extend(missing);
    notes.extend(source.finish(options.drop_unknown)?);

    let mut vocabularies = vocabularies(folder)?;
    vocabularies.check_rows(folder, &config)?;
    let (eos, unk) =
        (vocabularies.target_id(&theirs.eos_token, folder)?, vocabularies.target_id(&theirs.unk_token, folder)?);
    let begin = match begins_with_zero {
        true => vocabularies.add_begin(&mut config, &mut params),
        false => vocabularies.target_id(start, folder)?,
    };
    let tokenizer = tokenizer(folder, vocabularies, Roles { begin, eos, unk })?;
    let bundle = translators::bundle(folder, config, params, tokenizer, &mut notes)?;
    Ok(Imported { bundle, architecture: SPEC.0, stored, notes })
}

fn check_spec(file: &ModelBin, path: &Path) -> Result<(), InterchangeError> {
    let found = (file.spec(), file.revision());
    if found == SPEC {
        return Ok(());
    }
    let problem = match found.0 == SPEC.0 {
        true => format!(
            "it has revision {} of {}, and revision {} is read here: convert the model again with CTranslate2 4",
            found.1, SPEC.0, SPEC.1
        ),
        false => {
            format!("it is a {}; encoder–decoders are read, {}: import the folder it was made from", found.0, SPEC.0)
        }
    };
    Err(InterchangeError::Unsupported { path: path.to_owned(), problems: vec![problem] })
}

impl Config {
    /// The token that translations begin with.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists settings that change translations and are not followed.
    fn check(&self, path: &Path) -> Result<&str, InterchangeError> {
        let mut problems = Vec::new();
        if self.add_source_bos {
            problems.push("add_source_bos is true: nothing stands before a source here".to_owned());
        }
        if self.multi_query_attention {
            problems.push("multi_query_attention is true: each head has keys and values of its own here".to_owned());
        }
        problems.extend(self.unknown.keys().filter(|key| key.starts_with("quantization_")).map(|key| {
            format!("{key}: weights in groups of few bits are not read; convert the model as float32, float16 or int8")
        }));
        if self.decoder_start_token.is_none() {
            problems.push(
                "decoder_start_token is null: its users give the first token, a language; import the folder of \
                 transformers that it was made from"
                    .to_owned(),
            );
        }
        match &self.decoder_start_token {
            Some(start) if problems.is_empty() => Ok(start),
            _ => Err(InterchangeError::Unsupported { path: path.to_owned(), problems }),
        }
    }

    fn notes(&self, folder: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.add_source_eos && !folder.join(OURS).is_file() {
            notes.push(format!(
                "{CONFIG}: add_source_eos is false, so its users end sources with {}; here every source ends with it",
                self.eos_token
            ));
        }
        if !self.unknown.is_empty() {
            let keys: Vec<&str> = self.unknown.keys().map(String::as_str).collect();
            notes.push(format!("{CONFIG}: not followed here: {}", keys.join(", ")));
        }
        if folder.join(CANDIDATES).is_file() {
            notes.push(format!("{CANDIDATES}: not followed here: every token can be chosen"));
        }
        notes
    }
}

/// The settings of `model.bin`, each of which is followed, known to have no effect, or refused.
pub(super) struct Settings<'a> {
    file: &'a ModelBin,
    left: BTreeMap<&'a str, f32>,
    problems: Vec<String>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(file: &'a ModelBin) -> Self {
        Self { file, left: file.settings().collect(), problems: Vec::new() }
    }

    fn take(&mut self, name: &str) -> Option<f32> {
        self.left.remove(name)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some_and(|value| value != 0.0)
    }

    /// Takes a setting that is missing from another.
    pub(super) fn assume(&mut self, name: &'a str, like: &str) {
        if let Some(value) = self.left.get(like).copied() {
            self.left.entry(name).or_insert(value);
        }
    }

    /// A setting of the encoder and the decoder, which must be the same.
    fn of_both(&mut self, key: &str) -> f32 {
        let [encoder, decoder] = ["encoder", "decoder"].map(|stack| {
            let name = format!("{stack}/{key}");
            let value = self.take(&name);
            if value.is_none() {
                self.problems.push(format!("{name} is missing"));
            }
            value.unwrap_or_default()
        });
        if encoder != decoder {
            self.problems.push(format!("encoder/{key} is {encoder} and decoder/{key} is {decoder}: here they are one"));
        }
        encoder
    }

    /// An axis of a tensor, 0 if it is missing, which is said when tensors are taken.
    pub(super) fn size(&self, name: &str, axis: usize) -> usize {
        self.file.shape(name).and_then(|shape| shape.get(axis).copied()).unwrap_or_default()
    }

    fn n_layers(&self, stack: &str) -> usize {
        let prefix = format!("{stack}/layer_");
        let layer = |name: &str| name.strip_prefix(&prefix)?.split('/').next()?.parse::<usize>().ok();
        self.file.names().filter_map(layer).collect::<BTreeSet<_>>().len()
    }

    /// # Errors
    /// [`InterchangeError::Unsupported`] lists what is not followed.
    pub(super) fn finish(mut self, path: &Path) -> Result<(), InterchangeError> {
        /// Of alignments, which are not made here, and of several embeddings of a source.
        const IDLE: [&str; 3] = ["decoder/alignment_layer", "decoder/alignment_heads", "encoder/embeddings_merge"];
        /// Without effect at zero.
        const OFF: [&str; 4] = ["/alibi", "/alibi_use_positive_positions", "/scale_alibi", "/multi_query_attention"];
        let is_idle =
            |name: &str, value: f32| IDLE.contains(&name) || value == 0.0 && OFF.iter().any(|end| name.ends_with(end));
        let left = self.left.iter().filter(|&(name, &value)| !is_idle(name, value));
        self.problems.extend(left.map(|(name, value)| format!("{name} is {value}: it is not followed here")));
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(InterchangeError::Unsupported { path: path.to_owned(), problems: self.problems }),
        }
    }
}

/// Our configuration by the settings and the shapes of the tensors; tables and positions are settled after it.
pub(super) fn config(settings: &mut Settings<'_>) -> TransformerConfig {
    const ACTIVATIONS: [Activation; 4] = [Activation::Relu, Activation::GeluTanh, Activation::Silu, Activation::Gelu];
    let activation = settings.of_both("activation");
    let ours = ACTIVATIONS.into_iter().find(|&known| f32::from(super::activation(known)) == activation);
    if ours.is_none() {
        settings.problems.push(format!("activation is {activation}; there are 0 to 3: ReLU, two GELU and SiLU"));
    }
    let scale = settings.of_both("scale_embeddings");
    if ![0.0, 1.0].contains(&scale) {
        settings.problems.push(format!("scale_embeddings is {scale}; there are 0 and 1"));
    }
    TransformerConfig {
        source_vocab_size: settings.size(SOURCE, 0),
        target_vocab_size: settings.size(TARGET, 0),
        d_model: settings.size(TARGET, 1),
        d_ff: settings.size("encoder/layer_0/ffn/linear_0/weight", 0),
        n_heads: settings.of_both("num_heads") as usize,
        n_encoder_layers: settings.n_layers("encoder"),
        n_decoder_layers: settings.n_layers("decoder"),
        activation: ours.unwrap_or_default(),
        norm: if settings.of_both("pre_norm") == 0.0 { NormPlacement::Post } else { NormPlacement::Pre },
        scale_embeddings: scale != 0.0,
        ..TransformerConfig::base(1)
    }
}

/// Finds out what the tables of positions are, and the order of the model's dimensions.
fn settle_positions(
    source: &mut Source,
    config: &mut TransformerConfig,
    notes: &mut Vec<String>,
) -> Result<Order, InterchangeError> {
    let [encoder, decoder] = ["encoder", "decoder"].map(positions);
    if !source.has(&encoder) && !source.has(&decoder) {
        // Which CTranslate2 makes itself, counting from 1.
        config.positions = PositionsConfig::FairseqSinusoidal { first: 1 };
        return Ok(Order::sines_first(config.d_model));
    }
    let mut tables = Vec::new();
    for name in [&encoder, &decoder] {
        match source.has(name) {
            true => tables.push(PositionTable::of(source, name, config.d_model)?),
            false => source.problem(format!("missing: {name}")),
        }
    }
    if let [Some(table), Some(other)] = &tables[..]
        && (&table.positions, &table.order) == (&other.positions, &other.order)
    {
        if table.is_rounded {
            notes.push(format!("{encoder} is rounded: the exact sinusoids are used"));
        }
        source.drop(&encoder);
        source.drop(&decoder);
        config.positions = table.positions.clone();
        return Ok(table.order.clone());
    }
    let n_rows = source.shape(&decoder).and_then(|shape| shape.first().copied()).unwrap_or_default();
    config.positions = PositionsConfig::Learned { max_len: n_rows };
    Ok(Order::SAME)
}

/// The vocabularies of a folder, as lists in JSON, or, of CTranslate2 before 3.12, in lines.
fn vocabularies(folder: &Path) -> Result<Vocabularies, InterchangeError> {
    let find = |name: &str| -> Option<PathBuf> {
        ["json", "txt"]
            .map(|end| folder.join(format!("{name}_vocabulary.{end}")))
            .into_iter()
            .find(|path| path.is_file())
    };
    let missing = || InterchangeError::Missing { path: folder.to_owned(), wanted: "shared_vocabulary.json" };
    let [source, target] = match find("shared") {
        Some(shared) => [shared.clone(), shared],
        None => [find("source").ok_or_else(missing)?, find("target").ok_or_else(missing)?],
    };
    Ok(Vocabularies { source: entries(&source)?, target: entries(&target)? })
}

fn entries(path: &Path) -> Result<Vec<String>, InterchangeError> {
    if path.extension().is_some_and(|end| end == "json") {
        return files::read_json(path);
    }
    let text = fs::read_to_string(path).map_err(InterchangeError::io(path))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).split('\n').map(str::to_owned).collect())
}

/// Our own tokenizer if the folder has it, else one of its pieces and the SentencePiece models beside them.
fn tokenizer(folder: &Path, vocabularies: Vocabularies, roles: Roles) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let path = folder.join(OURS);
    if !path.is_file() {
        let [source, target] = translators::sentencepiece_models(folder)?;
        return vocabularies.tokenizer([&source, &target], roles);
    }
    let tokenizer = attentive_tokenizer::open(&path)?;
    let SpecialIds { start, bos, eos, .. } = SpecialIds::of(&*tokenizer, "CTranslate2")?;
    let ids = [start.unwrap_or(bos), eos];
    let is_same = tokenizers::entries(&*tokenizer, vocabularies.target.len()) == vocabularies.target;
    match is_same && ids == [roles.begin, roles.eos] {
        true => Ok(tokenizer),
        false => {
            let problem =
                "it is not the tokenizer of the vocabulary beside it: take the one that the model was exported with";
            Err(InterchangeError::Vocabulary { path, problem: problem.to_owned() })
        }
    }
}
