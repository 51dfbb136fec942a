//! A folder of transformers on its way in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use attentive_bundle::{Bundle, ReadingConfig, TrainingRecord};
use attentive_model::{ModelConfig, Role};
use attentive_tokenizer::{Frame, Languages, OpenOptions, Opened, TokenId, Tokenizer};
use attentive_vision::ImageProcessor;
use attentive_weights::{Tensors, check_finite};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    ImportConfig, InterchangeError, aliases,
    decoder::{Keys, gemma3},
    elsewhere, files,
    settings::{self, GENERATION, Writing},
    source::Source,
    tokenizers,
};

pub(crate) const CONFIG: &str = "config.json";

/// The record of a model that was trained elsewhere.
pub(crate) fn new_record() -> TrainingRecord {
    TrainingRecord { version: env!("CARGO_PKG_VERSION").into(), ..TrainingRecord::default() }
}

/// A folder on its way in: its settings, and the notes for the user.
pub(crate) struct Reader<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) options: &'a ImportConfig,
    settings: Map<String, Value>,
    pub(crate) notes: Vec<String>,
    /// The kinds of numbers of the weights.
    pub(crate) stored: Vec<String>,
    /// What the tokenizer's files put around a text, if they say.
    pub(crate) frame: Option<Frame>,
    /// The names of special tokens by role, as the settings of the tokenizer have them.
    pub(crate) special_names: BTreeMap<String, String>,
    /// How two texts are read at once.
    pub(crate) reading: ReadingConfig,
    /// The languages that the tokenizer's files name, if the model is told them.
    pub(crate) languages: Option<Languages>,
    /// The most tokens that the settings of the tokenizer allow.
    pub(crate) tokenizer_max_len: Option<usize>,
}

impl<'a> Reader<'a> {
    /// Reads the settings of a folder.
    ///
    /// # Errors
    /// [`InterchangeError::Missing`] or what is there instead, without `config.json`; [`InterchangeError::Damaged`];
    /// [`InterchangeError::Unsupported`] if the weights are quantized.
    pub(crate) fn open(folder: &'a Path, options: &'a ImportConfig) -> Result<Self, InterchangeError> {
        let path = folder.join(CONFIG);
        if !path.is_file() {
            return Err(elsewhere::without_config(folder));
        }
        let mut settings: Map<String, Value> = files::read_json(&path)?;
        let of_pictures = gemma3::keep_text(&mut settings);
        // A setting that is null is not set; an id that is null is a token that does not exist.
        // So is a bound of scores, or a window, that does not exist.
        let is_said =
            |key: &str| key.ends_with("_token_id") || key.ends_with("_softcapping") || key == "sliding_window";
        settings.retain(|key, value| !value.is_null() || is_said(key));
        let of_aliases = aliases::resolve(&mut settings);
        if let Some(how) = settings.get("quantization_config") {
            let method = how.get("quant_method").unwrap_or(how);
            let problem =
                format!("quantization_config: its weights are quantized ({method}); save it as f32, f16 or bf16");
            return Err(InterchangeError::Unsupported { path, problems: vec![problem] });
        }
        Ok(Self {
            folder,
            options,
            settings,
            notes: of_pictures.into_iter().chain(of_aliases).collect(),
            stored: Vec::new(),
            frame: None,
            languages: None,
            special_names: BTreeMap::new(),
            reading: ReadingConfig::default(),
            tokenizer_max_len: None,
        })
    }

    /// The path of `config.json`.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// Takes settings that `config.json` does not have from `defaults`, a table.
    pub(crate) fn assume(&mut self, defaults: Value) {
        let Value::Object(defaults) = defaults else { return };
        for (key, value) in defaults {
            self.settings.entry(key).or_insert(value);
        }
    }

    /// The id that every translation begins with, by `generation_config.json`, else by `config.json`.
    pub(crate) fn forced_first(&self) -> Option<TokenId> {
        let own: Option<Map<String, Value>> = files::read_json(&self.folder.join(GENERATION)).ok();
        let key = "forced_bos_token_id";
        let found = own.as_ref().and_then(|own| own.get(key)).or_else(|| self.setting(key))?;
        TokenId::try_from(found.as_u64()?).ok()
    }

    /// A setting of `config.json`.
    pub(crate) fn setting(&self, key: &str) -> Option<&Value> {
        self.settings.get(key)
    }

    /// The names of the model's classes.
    pub(crate) fn classes(&self) -> Vec<String> {
        let classes = self.setting("architectures").and_then(Value::as_array).into_iter().flatten();
        classes.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A setting of `config.json` that is a number.
    pub(crate) fn number(&self, key: &str) -> Option<usize> {
        self.setting(key)?.as_u64().and_then(|number| usize::try_from(number).ok())
    }

    /// The settings of `config.json` that `T` has; others are noted, unless they have no effect.
    ///
    /// # Errors
    /// [`InterchangeError::Damaged`] if one is of another kind.
    pub(crate) fn config<T: DeserializeOwned>(&mut self) -> Result<T, InterchangeError> {
        fn same(key: &str) -> Option<&str> {
            Some(key)
        }
        self.config_named(same, Map::new())
    }

    /// As [`config`](Self::config), of a class that calls settings by other names: `name_of` gives that of `T`, or nothing
    /// for a setting that the class does not have; `defaults` take the place of missing ones.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub(crate) fn config_named<T: DeserializeOwned>(
        &mut self,
        name_of: impl Fn(&str) -> Option<&str>,
        defaults: Map<String, Value>,
    ) -> Result<T, InterchangeError> {
        let mut named = defaults;
        let settings = self.settings.iter();
        named.extend(settings.filter_map(|(key, value)| Some((name_of(key)?.to_owned(), value.clone()))));
        let config = T::deserialize(Value::Object(named)).map_err(|error| {
            let is_cause = |(key, value): &(&String, &Value)| {
                let alone = name_of(key).map(|name| Map::from_iter([(name.to_owned(), (*value).clone())]));
                let alone = alone.and_then(|alone| T::deserialize(Value::Object(alone)).err());
                alone.is_some_and(|alone| alone.to_string() == error.to_string())
            };
            let cause = self.settings.iter().find(is_cause);
            let cause = cause.map(|setting| settings::described(setting) + ": ").unwrap_or_default();
            InterchangeError::damaged(&self.config_path())(format!("{cause}{error}"))
        })?;
        let known = settings::fields_of::<T>();
        let is_read = |key: &str| name_of(key).is_some_and(|name| known.contains(&name));
        self.note_settings(
            CONFIG,
            &settings::unread(self.settings.iter().filter(|(key, value)| !value.is_null() && !is_read(key))),
        );
        Ok(config)
    }

    /// What `read` makes of the settings of `config.json`; those that it does not ask for are noted, unless they have no
    /// effect.
    ///
    /// # Errors
    /// [`InterchangeError::Damaged`], [`InterchangeError::Unsupported`].
    pub(crate) fn read_keys<T>(
        &mut self,
        read: impl FnOnce(&mut Keys<'_>) -> Result<T, InterchangeError>,
    ) -> Result<T, InterchangeError> {
        let mut keys = Keys::new(self.config_path(), &self.settings);
        let found = read(&mut keys)?;
        let left = settings::unread(keys.finish()?.iter());
        self.note_settings(CONFIG, &left);
        Ok(found)
    }

    /// Opens the weights; `rename` gives the name that a tensor has here.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub(crate) fn source(&self, rename: impl Fn(&str) -> String) -> Result<Source, InterchangeError> {
        Source::open(self.folder, rename)
    }

    /// Ends the taking of tensors; those that were left out are noted.
    ///
    /// # Errors
    /// As [`Source::finish`].
    pub(crate) fn finish(&mut self, source: Source) -> Result<(), InterchangeError> {
        self.stored = source.kinds();
        self.notes.extend(source.finish(self.options.drop_unknown)?);
        Ok(())
    }

    /// The tokenizer of the folder; translations begin with the id `begin`.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub(crate) fn tokenizer(&mut self, begin: Option<TokenId>) -> Result<Box<dyn Tokenizer>, InterchangeError> {
        let options = OpenOptions::default().lowercase(self.options.lowercase).target_begin(begin);
        let Opened { tokenizer, frame, languages, special_names, model_max_length, notes, .. } =
            options.open(self.folder)?;
        self.notes.extend(notes);
        (self.frame, self.languages) = (frame, languages);
        (self.special_names, self.tokenizer_max_len) = (special_names, model_max_length);
        Ok(tokenizer)
    }

    /// Whether the tokenizer's files put a token before a text, and which, if it is not `eos`.
    pub(crate) fn begin(&self, eos: Option<TokenId>) -> (bool, Option<TokenId>) {
        let first = self.frame.as_ref().and_then(|frame| frame.before.first().copied());
        (first.is_some(), first.filter(|_| first != eos))
    }

    /// What was read of a model without text, as a bundle.
    ///
    /// # Errors
    /// [`InterchangeError`]: a parameter is not finite.
    pub(crate) fn bundle_of_pictures(
        &mut self,
        model: impl Into<ModelConfig>,
        processor: ImageProcessor,
        params: Tensors,
    ) -> Result<Bundle, InterchangeError> {
        check_finite(&params)?;
        Ok(Bundle { record: new_record(), ..Bundle::new(self.folder, model, processor, params) })
    }

    /// What was read, as a bundle.
    ///
    /// # Errors
    /// [`InterchangeError`]: the vocabulary does not fit, or a parameter is not finite.
    pub(crate) fn bundle(
        &mut self,
        model: impl Into<ModelConfig>,
        tokenizer: Box<dyn Tokenizer>,
        params: Tensors,
    ) -> Result<Bundle, InterchangeError> {
        check_finite(&params)?;
        let model = model.into();
        let rows = [model.source_vocab_size(), model.vocab_size()];
        let note = tokenizers::check_vocabulary(self.folder, &*tokenizer, rows)?;
        // Times of speech are rows, and may be no tokens.
        self.notes.extend(note.filter(|_| model.role() != Role::SpeechRecognizer));
        let mut writing = Writing::read(self.folder, &self.settings)?;
        for (file, unfollowed) in writing.follow(&*tokenizer, model.vocab_size(), model.role()) {
            self.note_settings(file, &unfollowed);
        }
        let Writing { decoding, generation, .. } = writing;
        let (reading, record) = (self.reading.clone(), new_record());
        Ok(Bundle { decoding, generation, reading, record, ..Bundle::new(self.folder, model, tokenizer, params) })
    }

    fn note_settings(&mut self, file: &str, unfollowed: &[String]) {
        if !unfollowed.is_empty() {
            self.notes.push(format!("{file}: not followed here: {}", unfollowed.join(", ")));
        }
    }
}
