//! The files of settings beside a vocabulary.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::known::{MODEL_TYPES, usual_names};
use crate::added::AddedToken;
use crate::error::TokenizerError;
use crate::files;
use crate::specials::SpecialNames;
use crate::tokenizer::{TokenId, Tokenizer};

pub(super) const CONFIG: &str = "tokenizer_config.json";

/// What `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json` and `config.json` of a folder say.
pub(super) struct Settings {
    pub(super) folder: PathBuf,
    /// `tokenizer_config.json`.
    pub(super) config: Map<String, Value>,
    /// `config.json`, the model's.
    pub(super) model: Map<String, Value>,
    /// The class of transformers, without `Fast`.
    pub(super) class: Option<String>,
    /// The names of special tokens, by role.
    pub(super) names: SpecialNames,
    /// Added tokens with the ids that the settings give them, in the order of these.
    pub(super) added: Vec<AddedToken>,
    /// Special tokens, named or additional, with their conditions; they may be in the vocabulary or not.
    pub(super) special: Vec<Unplaced>,
    /// The names of these.
    special_names: HashSet<String>,
    pub(super) notes: Vec<String>,
}

/// An added token without an id.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Unplaced {
    pub(super) content: String,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
    /// Whether text is searched for it though it is not special.
    #[serde(skip)]
    user_defined: bool,
    /// Whether the class alone has it: it is nothing where the vocabulary lacks it.
    #[serde(skip)]
    pub(super) of_class: bool,
}

impl Unplaced {
    /// A name, or an object with the name and conditions.
    fn of(value: &Value) -> Option<Self> {
        let plain = |content: &str| Self {
            content: content.to_owned(),
            lstrip: false,
            rstrip: false,
            single_word: false,
            normalized: Some(false),
            special: true,
            user_defined: false,
            of_class: false,
        };
        let token = match value {
            Value::String(content) => plain(content),
            object => Self::deserialize(object).ok()?,
        };
        (!token.content.is_empty()).then_some(token)
    }

    /// The token where it is named as a special one.
    pub(super) fn named_at(&self, id: TokenId) -> AddedToken {
        self.at(id, !self.user_defined)
    }

    fn at(&self, id: TokenId, special: bool) -> AddedToken {
        let Self { content, lstrip, rstrip, single_word, normalized, .. } = self.clone();
        let normalized = normalized.unwrap_or(!special);
        AddedToken { id, content, special, lstrip, rstrip, single_word, normalized }
    }
}

/// Classes that take additional special tokens of tokenizer_config.json alone, where they read a SentencePiece model.
const OF_PIECES: [&str; 8] = [
    "AlbertTokenizer",
    "CamembertTokenizer",
    "GemmaTokenizer",
    "LlamaTokenizer",
    "MT5Tokenizer",
    "PegasusTokenizer",
    "T5Tokenizer",
    "XLMRobertaTokenizer",
];

const ROLES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl Settings {
    pub(super) fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let object = |name: &str| read_object(&folder.join(name));
        let (config, model) = (object(CONFIG)?, object("config.json")?);
        let mut settings = Self {
            folder: folder.to_owned(),
            class: class_of(&config, &model),
            config,
            model,
            names: SpecialNames::new(),
            added: Vec::new(),
            special: Vec::new(),
            special_names: HashSet::new(),
            notes: Vec::new(),
        };
        // `added_tokens_decoder` stands for the two older files; where it is missing, these have the last word.
        let mut named = settings.config.clone();
        let decoder = settings.config.get("added_tokens_decoder").and_then(Value::as_object).cloned();
        if decoder.is_none() {
            let mut map = object("special_tokens_map.json")?;
            // What added_tokens.json has too is found as any added token is, in transformers 5.
            let ids = object("added_tokens.json")?;
            if let Some(Value::Array(tokens)) = map.get_mut("additional_special_tokens") {
                tokens.retain(|token| Unplaced::of(token).is_none_or(|token| !ids.contains_key(&token.content)));
            }
            let is_of_pieces = settings.class.as_deref().is_some_and(|class| OF_PIECES.contains(&class));
            if is_of_pieces
                && !folder.join("tokenizer.json").is_file()
                && let Some(tokens) = map.remove("additional_special_tokens").filter(|tokens| *tokens != json!([]))
            {
                let what = short(&tokens);
                settings.notes.push(format!(
                    "special_tokens_map.json: additional_special_tokens = {what} is not followed, as in transformers 5; {CONFIG} may have it"
                ));
            }
            named.extend(map);
        }
        settings.name_specials(&named);
        settings.name_usual(&named);
        // Those of a role come first, also where the class alone has them.
        let names = &settings.names;
        let role_of = |token: &Unplaced| ROLES.iter().position(|role| names.get(*role) == Some(&token.content));
        settings.special.sort_by_key(|token| role_of(token).unwrap_or(ROLES.len()));
        match decoder {
            Some(decoder) => {
                settings.place(decoder.iter().map(|(id, token)| (id.parse().ok(), Unplaced::of(token))))?;
            }
            None => {
                let ids = object("added_tokens.json")?;
                let entries = ids.iter().map(|(content, id)| {
                    let is_special = settings.special_names.contains(content);
                    let token = Unplaced::of(&Value::String(content.clone())).map(|token| Unplaced {
                        normalized: Some(!is_special),
                        special: is_special,
                        ..token
                    });
                    (id.as_u64().and_then(|id| TokenId::try_from(id).ok()), token)
                });
                let entries: Vec<_> = entries.collect();
                settings.place(entries.into_iter())?;
            }
        }
        settings.check_known_settings()?;
        if settings.flag("split_special_tokens") == Some(true) {
            let note = format!("{CONFIG}: split_special_tokens = true is left to the caller, unlike in transformers");
            settings.notes.push(note);
        }
        Ok(settings)
    }

    fn name_specials(&mut self, named: &Map<String, Value>) {
        for role in ROLES {
            if let Some(token) = named.get(role).and_then(Unplaced::of) {
                self.names.insert(role.to_owned(), token.content.clone());
                self.special.push(token);
            }
        }
        for key in ["extra_special_tokens", "additional_special_tokens"] {
            let tokens: Vec<_> = match named.get(key) {
                Some(Value::Array(tokens)) => tokens.iter().filter_map(Unplaced::of).collect(),
                Some(Value::Object(tokens)) => tokens.values().filter_map(Unplaced::of).collect(),
                _ => continue,
            };
            // An object that does not say so is not special.
            self.special.extend(tokens.into_iter().map(|token| Unplaced { user_defined: !token.special, ..token }));
        }
        let names = &mut self.special_names;
        self.special.retain(|token| names.insert(token.content.clone()));
    }

    /// Counts those special tokens of the class that the settings leave out.
    fn name_usual(&mut self, named: &Map<String, Value>) {
        for &(role, name) in self.class.as_deref().map_or(&[][..], usual_names) {
            // A role that is null has no token.
            if named.contains_key(role) {
                continue;
            }
            self.names.insert(role.to_owned(), name.to_owned());
            if !self.special_names.insert(name.to_owned()) {
                continue;
            }
            let [lstrip, rstrip] = match (self.class.as_deref(), role) {
                (Some("ByT5Tokenizer"), _) => [true, true],
                (
                    Some(
                        "CamembertTokenizer" | "MPNetTokenizer" | "MBartTokenizer" | "MBart50Tokenizer"
                        | "NllbTokenizer",
                    ),
                    "mask_token",
                ) => [true, false],
                _ => [false, false],
            };
            let token = Unplaced::of(&Value::String(name.to_owned()));
            self.special.extend(token.map(|token| Unplaced { lstrip, rstrip, of_class: true, ..token }));
        }
    }

    /// Counts `name` among the special tokens.
    pub(super) fn name_special(&mut self, name: &str) {
        self.name_piece(name, true);
    }

    /// Counts `name` among the tokens that text is searched for.
    pub(super) fn name_piece(&mut self, name: &str, special: bool) {
        if self.special_names.insert(name.to_owned()) {
            let token = Unplaced::of(&Value::String(name.to_owned()));
            self.special.extend(token.map(|token| Unplaced { user_defined: !special, ..token }));
        }
    }

    /// Whether all special tokens of a tokenizer are named here; without a class, those count that its vocabulary shows.
    pub(super) fn names_all(&self, tokenizer: &dyn Tokenizer) -> bool {
        let names = |token: &AddedToken| {
            self.special_names.contains(&token.content) || self.added.iter().any(|added| added.content == token.content)
        };
        self.class.is_none() || tokenizer.added_tokens().iter().all(names)
    }

    /// The name of the special token with this role.
    pub(super) fn name_of(&self, role: &str, usual: &str) -> String {
        self.names.get(role).cloned().unwrap_or_else(|| usual.to_owned())
    }

    /// The type of a model whose class of tokenizers is not known here, where no class is named.
    pub(super) fn unknown_type(&self) -> Option<&str> {
        let kind = self.model.get("model_type")?.as_str().filter(|kind| !kind.is_empty())?;
        self.class.is_none().then_some(kind)
    }

    /// The number of `<extra_id_0>` …
    pub(super) fn n_sentinels(&self) -> Result<u64, String> {
        let n = self.config.get("extra_ids").and_then(Value::as_u64);
        let usual = if self.class.as_deref() == Some("ByT5Tokenizer") { 125 } else { 100 };
        n.or(Some(usual)).filter(|&n| n <= 10_000).ok_or_else(|| "extra_ids is more than 10,000".to_owned())
    }

    fn place(
        &mut self,
        tokens: impl Iterator<Item = (Option<TokenId>, Option<Unplaced>)>,
    ) -> Result<(), TokenizerError> {
        for (id, token) in tokens {
            let (Some(id), Some(token)) = (id, token) else {
                let reason = "the added tokens are not ids with tokens".to_owned();
                return Err(TokenizerError::invalid(&self.folder)(reason));
            };
            let is_named = self.special_names.contains(&token.content);
            self.added.push(token.at(id, token.special || is_named));
        }
        self.added.sort_by_key(|token| token.id);
        Ok(())
    }

    /// A setting that is true, false, or not there.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.config.get(key).and_then(Value::as_bool)
    }

    pub(super) fn unsupported(&self, problem: String) -> TokenizerError {
        TokenizerError::Unsupported { path: self.folder.clone(), problems: vec![problem] }
    }

    /// The most tokens that the model takes; numbers that stand for "without end" are none.
    pub(super) fn model_max_length(&self) -> Option<usize> {
        let length = self.config.get("model_max_length")?.as_f64()?;
        (1.0..1e9).contains(&length).then_some(length as usize)
    }

    /// Refuses settings that change ids and are not followed, and notes those that are not known.
    fn check_known_settings(&mut self) -> Result<(), TokenizerError> {
        let refused = |key: &str, value: &Value| match key {
            "do_basic_tokenize" => value == &Value::Bool(false),
            "never_split" | "sp_model_kwargs" => {
                value.as_array().is_some_and(|list| !list.is_empty())
                    || value.as_object().is_some_and(|object| !object.is_empty())
            }
            "fix_mistral_regex" => value == &Value::Bool(true),
            _ => false,
        };
        let is_token = |value: &Value| value.is_string() || Unplaced::of(value).is_some();
        let are_tokens = |value: &Value| match value {
            Value::Array(tokens) => tokens.iter().all(is_token),
            Value::Object(tokens) => tokens.values().all(is_token),
            _ => false,
        };
        let form = |key: &str, value: &Value| {
            let (is_right, form) = match key {
                _ if FLAGS.contains(&key) => (value.is_boolean(), "true or false"),
                _ if ROLES.contains(&key) => (is_token(value), "a token"),
                "extra_ids" | "offset" => (value.is_u64(), "a number of tokens"),
                "model_max_length" => (value.is_number(), "a number of tokens"),
                "additional_special_tokens" | "extra_special_tokens" => (are_tokens(value), "a list of tokens"),
                "tokenizer_class" | "src_lang" | "tgt_lang" => (value.is_string(), "a name"),
                _ => (true, ""),
            };
            Some(form).filter(|_| !is_right && !value.is_null())
        };
        let mut problems = Vec::new();
        for (key, value) in &self.config {
            if refused(key, value) {
                problems.push(format!("{CONFIG} has {key} = {value}, which is not followed"));
            } else if let Some(form) = form(key, value) {
                problems.push(format!("{CONFIG} has {key} = {}, which is not {form}", short(value)));
            } else if !FOLLOWED.contains(&&**key) && !WITHOUT_EFFECT.contains(&&**key) && !key.ends_with("_token") {
                self.notes.push(format!("{CONFIG}: {key} = {} is not followed", short(value)));
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(TokenizerError::Unsupported { path: self.folder.clone(), problems }),
        }
    }
}

/// Settings that are true or false.
const FLAGS: [&str; 12] = [
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "clean_up_tokenization_spaces",
    "do_lower_case",
    "keep_accents",
    "legacy",
    "legacy_behaviour",
    "separate_vocabs",
    "split_special_tokens",
    "strip_accents",
    "tokenize_chinese_chars",
];

/// Settings that are followed, or refused or noted where they cannot be.
const FOLLOWED: [&str; 26] = [
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "added_tokens_decoder",
    "additional_special_tokens",
    "clean_up_tokenization_spaces",
    "do_basic_tokenize",
    "do_lower_case",
    "extra_ids",
    "extra_special_tokens",
    "fix_mistral_regex",
    "keep_accents",
    "language_codes",
    "legacy_behaviour",
    "model_max_length",
    "never_split",
    "offset",
    "remove_space",
    "separate_vocabs",
    "sp_model_kwargs",
    "split_special_tokens",
    "src_lang",
    "strip_accents",
    "tgt_lang",
    "tokenize_chinese_chars",
    "tokenizer_class",
];

/// Settings that change nothing that a tokenizer here does.
const WITHOUT_EFFECT: [&str; 40] = [
    "auto_map",
    "backend",
    "chat_template",
    "errors",
    "from_slow",
    "full_tokenizer_file",
    "init_inputs",
    "is_local",
    "legacy",
    "local_files_only",
    "max_len",
    "max_length",
    "mask_token_sent",
    "merges_file",
    "model_input_names",
    "model_specific_special_tokens",
    "name_or_path",
    "num_madeup_words",
    "pad_to_multiple_of",
    "pad_token_type_id",
    "padding_side",
    "processor_class",
    "source_lang",
    "special_tokens_map_file",
    "spaces_between_special_tokens",
    "stride",
    "target_lang",
    "tokenizer_file",
    "tokenizer_type",
    "transformers_version",
    "trim_offsets",
    "truncation_side",
    "truncation_strategy",
    "unk_id",
    "use_default_system_prompt",
    "use_fast",
    "vocab_file",
    "language",
    "predict_timestamps",
    "task",
];

fn read_object(path: &Path) -> Result<Map<String, Value>, TokenizerError> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    serde_json::from_str(&files::read_text(path)?).map_err(TokenizerError::json(path))
}

/// The class that the folder names; else that of the model's type.
fn class_of(config: &Map<String, Value>, model: &Map<String, Value>) -> Option<String> {
    let named = |object: &Map<String, Value>| Some(object.get("tokenizer_class")?.as_str()?.to_owned());
    let class = named(config).or_else(|| named(model)).filter(|class| !class.is_empty());
    let class = class.or_else(|| {
        let kind = model.get("model_type")?.as_str()?;
        MODEL_TYPES.iter().find(|(kinds, _)| kinds.contains(&kind)).map(|&(_, class)| class.to_owned())
    });
    class.map(|class| class.strip_suffix("Fast").map_or_else(|| class.clone(), str::to_owned))
}

/// The beginning of a value, for a note.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
