//! Marian's own files: weights and options in `model.npz`, vocabularies, SentencePiece models.
//!
//! Its sinusoids stand sine half before cosine half, and translations begin with a zero vector; its norms have ε 1e-9.

mod names;
mod options;
mod yaml;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use attentive_bundle::{Bundle, DecodingConfig};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{SentencePiece, Tokenizer};
use attentive_weights::Npz;

use self::{
    names::{Marian, PROJECTION, PROJECTION_BIAS, PROJECTION_ROWS, SHARED, SOURCE, TARGET},
    options::Options,
    yaml::Setting,
};
use crate::{
    ImportConfig, Imported, InterchangeError, files,
    layout::Order,
    source::{File, Source},
    translators::{self, Roles, Vocabularies},
};

/// The end of the name of a model.
const EXTENSION: &str = "npz";
/// The array that holds the options of a model.
const OPTIONS: &str = "special:model.yml";
/// What says which files a decoder needs.
const DECODER: &str = "decoder.yml";
/// Settings of a decoder that no translation depends on, or that are followed.
const IDLE: [&str; 13] = [
    "alignment",
    "beam-size",
    "cpu-threads",
    "maxi-batch",
    "maxi-batch-sort",
    "mini-batch",
    "models",
    "n-best",
    "optimize",
    "quiet",
    "relative-paths",
    "vocabs",
    "workspace",
];

/// The files of a model.
pub(crate) struct Files {
    model: PathBuf,
    /// That of sources, and that of targets.
    vocabularies: [PathBuf; 2],
    /// Settings of the decoder.
    decoder: BTreeMap<String, Setting>,
}

impl Files {
    /// The files that a path leads to, a model or its folder; `None` if it is not Marian's.
    ///
    /// # Errors
    /// [`InterchangeError`]: a file is missing, or nothing says which one is meant.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>, InterchangeError> {
        let is_model = |path: &Path| path.extension().is_some_and(|end| end == EXTENSION) && path.is_file();
        let folder = if path.is_dir() { path } else { files::folder_of(path) };
        let models = match () {
            () if is_model(path) => vec![path.to_owned()],
            () if path.is_dir() && !path.join("config.json").is_file() => files::list(folder, is_model)?,
            () => return Ok(None),
        };
        if models.is_empty() {
            return Ok(None);
        }
        let decoder = folder.join(DECODER);
        let decoder =
            if decoder.is_file() { settings(&decoder, &files::read_text(&decoder)?)? } else { BTreeMap::new() };
        let unsupported =
            |problem: String| InterchangeError::Unsupported { path: folder.to_owned(), problems: vec![problem] };
        let listed = |key: &str| -> Vec<PathBuf> {
            let values = match decoder.get(key) {
                Some(Setting::Many(values)) => values.clone(),
                Some(Setting::One(value)) => vec![value.clone()],
                None => Vec::new(),
            };
            values.iter().filter_map(|value| Some(folder.join(Path::new(value).file_name()?))).collect()
        };
        let model = match (&listed("models")[..], &models[..]) {
            // The one that is meant, which may be a part of an ensemble.
            (_, [model]) if path.is_file() => model.clone(),
            ([] | [_], [model]) | ([model], _) => model.clone(),
            _ => {
                let names: Vec<_> = models.iter().map(|model| model.display().to_string()).collect();
                let problem = format!("several models, which an ensemble has: name one of them: {}", names.join(", "));
                return Err(unsupported(problem));
            }
        };
        let is_vocabulary = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains("vocab") && (name.ends_with(".yml") || name.ends_with(".spm"))
        };
        let found = match &listed("vocabs")[..] {
            [] => files::list(folder, is_vocabulary)?,
            listed => listed.to_vec(),
        };
        let vocabularies = match &found[..] {
            [both] => [both.clone(), both.clone()],
            [source, target] if decoder.contains_key("vocabs") => [source.clone(), target.clone()],
            found => {
                let n = found.len();
                let problem = format!(
                    "{n} vocabularies (vocab*.yml, vocab*.spm): write a {DECODER} that lists that of sources and that of \
                     targets as `vocabs`"
                );
                return Err(unsupported(problem));
            }
        };
        Ok(Some(Self { model, vocabularies, decoder }))
    }

    /// The vocabularies, and the SentencePiece models of sources and of targets.
    fn vocabularies(&self) -> Result<(Vocabularies, [PathBuf; 2]), InterchangeError> {
        let [source, target] = &self.vocabularies;
        let entries = Vocabularies { source: entries(source)?, target: entries(target)? };
        let models = match is_sentencepiece(source) && is_sentencepiece(target) {
            true => self.vocabularies.clone(),
            false => translators::sentencepiece_models(self.model.parent().unwrap_or(Path::new("")))?,
        };
        Ok((entries, models))
    }

    /// How the model's decoder searches, and a note of what is not followed.
    fn decoding(&self, path: &Path) -> Result<(DecodingConfig, Option<String>), InterchangeError> {
        let one = |key: &str| match self.decoder.get(key) {
            Some(Setting::One(value)) => Some(value.as_str()),
            _ => None,
        };
        let usual = DecodingConfig::default();
        let beam = match one("beam-size") {
            Some(beam) => beam.parse().map_err(|_| InterchangeError::Damaged {
                path: path.with_file_name(DECODER),
                problem: format!("beam-size is {beam}, not a number"),
            })?,
            None => usual.beam,
        };
        let is_zero = |key: &str| one(key).is_some_and(|value| value.parse() == Ok(0.0) || value == "false");
        let unread: Vec<&str> =
            self.decoder.keys().map(String::as_str).filter(|key| !IDLE.contains(key) && !is_zero(key)).collect();
        let note = (!unread.is_empty()).then(|| format!("{DECODER}: not followed here: {}", unread.join(", ")));
        Ok((DecodingConfig { beam, ..usual }, note))
    }
}

fn is_sentencepiece(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "spm")
}

fn settings(path: &Path, text: &str) -> Result<BTreeMap<String, Setting>, InterchangeError> {
    yaml::settings(text).map_err(InterchangeError::damaged(path))
}

/// The entries of a vocabulary by id.
fn entries(path: &Path) -> Result<Vec<String>, InterchangeError> {
    if is_sentencepiece(path) {
        let model = SentencePiece::from_model(path)?;
        return Ok(crate::tokenizers::entries(&model, model.vocab_size()));
    }
    if path.extension().is_none_or(|end| end != "yml") {
        let problem = "vocabularies are read from .yml and .spm; factored ones and lists are not".to_owned();
        return Err(InterchangeError::Unsupported { path: path.to_owned(), problems: vec![problem] });
    }
    let mut entries = yaml::entries(&files::read_text(path)?).map_err(InterchangeError::damaged(path))?;
    entries.sort_by_key(|&(_, id)| id);
    match entries.iter().zip(0..).find(|((_, id), expected)| id != expected) {
        Some(((entry, id), expected)) => {
            let problem = format!("{entry:?} has the id {id}, where {expected} should come");
            Err(InterchangeError::Damaged { path: path.to_owned(), problem })
        }
        None => Ok(entries.into_iter().map(|(entry, _)| entry).collect()),
    }
}

/// Reads a model.
///
/// # Errors
/// [`InterchangeError`]: another kind of model, options or tensors that do not fit, no tokenizer, damaged files.
pub(crate) fn import(files: &Files, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let path = &files.model;
    let file = Npz::open(path)?;
    let text = String::from_utf8(file.bytes(OPTIONS)?).map_err(InterchangeError::damaged(path))?;
    let theirs = settings(path, text.trim_end_matches('\0'))?;
    let (mut config, note) = Options::new(path, theirs).config()?;
    let mut notes = Vec::from_iter(note);

    let mut source = Source::of(path, vec![File::Npz(file)])?;
    source.drop(OPTIONS);
    let stored = source.kinds();
    source.check_layers("enc-depth", config.n_encoder_layers, "encoder_l")?;
    source.check_layers("dec-depth", config.n_decoder_layers, "decoder_l")?;
    let projection = settle_tables(&source, &mut config);
    config.validate()?;
    let mut params = source.take(
        translators::slots(&config, &Marian { projection, norm: config.norm }),
        &Order::sines_first(config.d_model),
    )?;
    notes.extend(source.finish(options.drop_unknown)?);

    let (mut vocabularies, models) = files.vocabularies()?;
    notes.extend(vocabularies.fit(&config));
    let [eos, unk] = ["</s>", "<unk>"].map(|name| vocabularies.target_id(name, &files.vocabularies[1]));
    let (eos, unk) = (eos?, unk?);
    let begin = vocabularies.add_begin(&mut config, &mut params);
    let tokenizer = vocabularies.tokenizer(models.each_ref().map(PathBuf::as_path), Roles { begin, eos, unk })?;
    let (decoding, note) = files.decoding(path)?;
    notes.extend(note);
    let bundle = translators::bundle(path, config, params, tokenizer, &mut notes)?;
    Ok(Imported { bundle: Bundle { decoding, ..bundle }, architecture: "Marian's transformer", stored, notes })
}

/// Finds out which tables are one, by those that there are; the name of a projection of its own.
fn settle_tables(source: &Source, config: &mut TransformerConfig) -> &'static str {
    let rows = |name: &str| source.shape(name).and_then(|shape| shape.first().copied());
    config.share_embeddings = source.has(SHARED);
    let [sources, targets] = if config.share_embeddings { [SHARED; 2] } else { [SOURCE, TARGET] };
    // Without a row, the table is missing, which is said when it is taken.
    (config.source_vocab_size, config.target_vocab_size) = (rows(sources).unwrap_or(1), rows(targets).unwrap_or(1));
    config.projection_bias = source.has(PROJECTION_BIAS);
    let projection = [PROJECTION, PROJECTION_ROWS].into_iter().find(|name| source.has(name));
    config.tie_projection = projection.is_none();
    projection.unwrap_or(PROJECTION)
}
