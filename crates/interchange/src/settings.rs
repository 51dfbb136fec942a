//! Settings that do not shape the model: followed, known to have no effect, or noted.

use std::{collections::BTreeSet, path::Path};

use attentive_bundle::{BeamRules, Bundle, DecodingConfig, GenerationConfig};
use attentive_model::Role;
use attentive_tokenizer::{Specials, TokenId, Tokenizer};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, json};

use crate::{InterchangeError, files, reader::CONFIG, tokenizers, whisper};

pub(crate) const GENERATION: &str = "generation_config.json";

/// Tokens that transformers draws from where nothing says how many.
const DEFAULT_TOP_K: usize = 50;

/// One id, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the id of a token, or a list of ids")]
pub(crate) enum Ids {
    One(TokenId),
    Many(Vec<TokenId>),
}

impl From<Ids> for Vec<TokenId> {
    fn from(ids: Ids) -> Self {
        match ids {
            Ids::One(id) => vec![id],
            Ids::Many(ids) => ids,
        }
    }
}

/// Settings that no model's output depends on in use: notes of where a model comes from, what it was drawn and trained
/// with, what a Python program is given back, and what classes do that are not read here.
const OF_NO_EFFECT: [&str; 81] = [
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_from_model_config",
    "_name_or_path",
    "_num_labels",
    "add_final_layer_norm",
    "apply_spec_augment",
    "architectures",
    "attn_implementation",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classif_dropout",
    "classifier_dropout",
    "classifier_dropout_prob",
    "classifier_proj_size",
    "decoder_layerdrop",
    "directionality",
    "dtype",
    "embd_pdrop",
    "encoder_layerdrop",
    "experts_implementation",
    "extra_pos_embeddings",
    "finetuning_task",
    "fp16",
    "gradient_checkpointing",
    "id2label",
    "init_std",
    "initializer_factor",
    "initializer_range",
    "is_encoder_decoder",
    "label2id",
    "language",
    "mask_feature_length",
    "mask_feature_min_masks",
    "mask_feature_prob",
    "mask_time_length",
    "mask_time_min_masks",
    "mask_time_prob",
    "max_position_embeddings",
    "median_filter_width",
    "model_type",
    "n_ctx",
    "n_positions",
    "name",
    "name_or_path",
    "normalize_before",
    "normalize_embedding",
    "num_hidden_layers",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "problem_type",
    "qa_dropout",
    "reorder_and_upcast_attn",
    "return_dict",
    "return_dict_in_generate",
    "sbert_ce_default_activation_function",
    "sentence_transformers",
    "seq_classif_dropout",
    "sinusoidal_pos_embds",
    "static_position_embeddings",
    "summary_activation",
    "summary_first_dropout",
    "summary_last_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_bfloat16",
    "use_cache",
    "use_weighted_layer_sum",
];

/// Settings that have no effect at these values, as JSON: transformers' own defaults, and what our models are.
const OF_NO_EFFECT_AT: [(&str, &str); 38] = [
    ("add_bias_logits", "false"),
    ("add_cross_attention", "false"),
    ("diversity_penalty", "0.0"),
    ("do_blenderbot_90_layernorm", "false"),
    ("down_scale_factor", "1"),
    ("gap_size", "0"),
    ("net_structure_type", "0"),
    ("num_memory_blocks", "0"),
    ("tie_weights_", "true"),
    ("do_sample", "false"),
    ("early_stopping", "false"),
    ("encoder_no_repeat_ngram_size", "0"),
    ("encoder_repetition_penalty", "1.0"),
    ("epsilon_cutoff", "0.0"),
    ("eta_cutoff", "0.0"),
    ("force_bos_token_to_be_generated", "false"),
    ("is_decoder", "false"),
    ("length_penalty", "1.0"),
    ("min_length", "0"),
    ("no_repeat_ngram_size", "0"),
    ("num_assistant_tokens", "20"),
    ("num_beam_groups", "1"),
    ("num_beams", "1"),
    ("num_return_sequences", "1"),
    ("output_logits", "false"),
    ("output_scores", "false"),
    ("pruned_heads", "{}"),
    ("remove_invalid_values", "false"),
    ("renormalize_logits", "false"),
    ("repetition_penalty", "1.0"),
    ("temperature", "1.0"),
    ("tf_legacy_loss", "false"),
    ("tie_encoder_decoder", "false"),
    ("tie_word_embeddings", "true"),
    ("top_k", "50"),
    ("top_p", "1.0"),
    ("typical_p", "1.0"),
    ("guidance_scale", "1.0"),
];

/// Settings of how texts are written, which older versions of transformers kept in `config.json`.
const OF_GENERATION: [&str; 28] = [
    "bad_words_ids",
    "begin_suppress_tokens",
    "decoder_start_token_id",
    "do_sample",
    "early_stopping",
    "eos_token_id",
    "epsilon_cutoff",
    "eta_cutoff",
    "bos_token_id",
    "forced_bos_token_id",
    "forced_decoder_ids",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "min_p",
    "no_repeat_ngram_size",
    "num_beams",
    "num_return_sequences",
    "pad_token_id",
    "repetition_penalty",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
];

/// Of these, the tokens that a text begins and ends with.
const OF_ENDS: [&str; 4] = ["decoder_start_token_id", "eos_token_id", "bos_token_id", "pad_token_id"];

/// Whether a setting is not set.
pub(crate) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    }
}

/// Whether a setting says nothing: it is not set, or has the value that has no effect.
fn has_no_effect(key: &str, value: &Value) -> bool {
    let is = |neutral: &str| {
        serde_json::from_str::<Value>(neutral).is_ok_and(|neutral| match (neutral.as_f64(), value.as_f64()) {
            (Some(neutral), Some(value)) => neutral == value,
            _ => neutral == *value,
        })
    };
    is_unset(value)
        || OF_NO_EFFECT.contains(&key)
        || OF_NO_EFFECT_AT.iter().any(|(neutral_key, neutral)| *neutral_key == key && is(neutral))
}

/// The names of a struct's fields, as serde has them.
pub(crate) fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Fields<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            Err(Error::custom("only the names are wanted"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut names: &[&str] = &[];
    let _ = T::deserialize(Fields(&mut names)); // always the error above
    names
}

/// Of settings that nothing has read, those that are not of how texts are written, and may have an effect.
pub(crate) fn unread<'a>(settings: impl Iterator<Item = (&'a String, &'a Value)>) -> Vec<String> {
    let is_idle = |key: &str, value: &Value| OF_GENERATION.contains(&key) || has_no_effect(key, value);
    settings.filter(|(key, value)| !is_idle(key, value)).map(described).collect()
}

/// A setting for a note, cut short where its value is long.
pub(crate) fn described((key, value): (&String, &Value)) -> String {
    const LONGEST: usize = 40;
    let value = value.to_string();
    // It acts on logits there, and counts in what a beam is worth.
    let why = if key == "repetition_penalty" { " (another function than repetition_penalty here)" } else { "" };
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{key} = {}…", &value[..end]),
        None => format!("{key} = {value}{why}"),
    }
}

/// The note of the rules of translations that are in no exported file.
pub(crate) fn left_out_of_decoding(decoding: &DecodingConfig) -> Option<String> {
    let DecodingConfig { repetition_penalty, length_penalty, beam, beam_rules, max_len, max_len_offset, .. } =
        *decoding;
    let has_own_offset = max_len.is_none() && max_len_offset != DecodingConfig::default().max_len_offset;
    let has_gnmt = beam > 1 && beam_rules == BeamRules::Gnmt && length_penalty != 0.0;
    let problems = [
        (repetition_penalty != 1.0).then(|| {
            format!("decoding.repetition_penalty = {repetition_penalty} is left out: transformers' acts on logits")
        }),
        has_gnmt.then(|| {
            format!("decoding.length_penalty = {length_penalty} is left out: GNMT's, which transformers does not have")
        }),
        has_own_offset.then(|| {
            format!("decoding.max_len_offset = {max_len_offset} is left out: bounds of transformers ignore the source")
        }),
    ];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// What `generation_config.json` says of the rules of translations that begin with the id `first`; `never` are ids that no
/// search chooses. Where no setting bounds a translation, `longest` does, which counts the token that it begins with.
pub(crate) fn of_decoding(
    decoding: &DecodingConfig,
    mut never: Vec<TokenId>,
    first: Option<TokenId>,
    longest: usize,
) -> Map<String, Value> {
    let DecodingConfig { beam, length_penalty, beam_rules, max_len, min_len, .. } = decoding;
    let DecodingConfig { no_repeat_ngram, suppressed, bad_words, forced_first, .. } = decoding;
    let first = first.or(*forced_first);
    let mut bad_words = bad_words.clone();
    if let Some(first) = first.filter(|first| never.contains(first)) {
        // What texts begin with is not to be suppressed there; as a word, it is withheld after that.
        never.retain(|&id| id != first);
        bad_words.push(vec![first]);
    }
    let mut settings = of_rules(*min_len, *no_repeat_ngram, &[&never, &suppressed[..]].concat(), &bad_words);
    settings.insert("num_beams".into(), json!(beam));
    if let Some(early_stopping) = early_stopping(*beam_rules) {
        settings.extend([("length_penalty".into(), json!(length_penalty)), ("early_stopping".into(), early_stopping)]);
    }
    let (bound, n) = max_len.map_or(("max_length", longest), |max_len| ("max_new_tokens", max_len));
    settings.insert(bound.to_owned(), json!(n));
    settings.extend(first.map(|id| ("forced_bos_token_id".to_owned(), json!(id))));
    settings
}

/// transformers' name for the rules of a search, if they are its own.
fn early_stopping(rules: BeamRules) -> Option<Value> {
    match rules {
        BeamRules::Gnmt => None,
        BeamRules::Early => Some(json!(true)),
        BeamRules::Present => Some(json!(false)),
        BeamRules::Never => Some(json!("never")),
    }
}

/// The `generation_config.json` of a language model; what transformers has no equal of is noted.
pub(crate) fn of_language_model(bundle: &Bundle, specials: &Specials, notes: &mut Vec<String>) -> Value {
    let GenerationConfig { max_tokens, stop, ends, sampling, .. } = &bundle.generation;
    let mut written = json!({
        "bos_token_id": specials.bos,
        "eos_token_id": if ends.is_empty() { json!(specials.eos) } else { json!(ends) },
        "do_sample": sampling.temperature > 0.0,
        "max_new_tokens": max_tokens,
    });
    if sampling.temperature > 0.0 {
        written["temperature"] = json!(sampling.temperature);
        written["top_k"] = json!(sampling.top_k);
        written["top_p"] = json!(sampling.top_p);
        written["min_p"] = json!(sampling.min_p);
        let defaults = GenerationConfig::default().sampling;
        for (key, value, default) in [
            ("typical_p", sampling.typical_p, defaults.typical_p),
            ("epsilon_cutoff", sampling.epsilon_cutoff, defaults.epsilon_cutoff),
            ("eta_cutoff", sampling.eta_cutoff, defaults.eta_cutoff),
        ] {
            if value != default {
                written[key] = json!(value);
            }
        }
    }
    if sampling.repetition_penalty != 1.0 {
        let penalty = sampling.repetition_penalty;
        notes.push(format!(
            "generation.sampling.repetition_penalty = {penalty} is left out: transformers' acts on logits"
        ));
    }
    if !stop.is_empty() {
        notes.push(format!("generation.stop = {stop:?} is left out: give it to generate() as stop_strings"));
    }
    written.as_object_mut().expect("an object").extend(of_generation(&bundle.generation));
    written
}

/// What `generation_config.json` says of the rules of continuations.
fn of_generation(generation: &GenerationConfig) -> Map<String, Value> {
    let GenerationConfig { min_tokens, no_repeat_ngram, suppressed, bad_words, .. } = generation;
    of_rules(*min_tokens, *no_repeat_ngram, suppressed, bad_words)
}

fn of_rules(
    min_len: usize,
    no_repeat_ngram: usize,
    suppressed: &[TokenId],
    bad_words: &[Vec<TokenId>],
) -> Map<String, Value> {
    let rules = [
        ("min_new_tokens", json!(min_len), min_len > 0),
        ("no_repeat_ngram_size", json!(no_repeat_ngram), no_repeat_ngram > 0),
        ("suppress_tokens", json!(suppressed), !suppressed.is_empty()),
        ("bad_words_ids", json!(bad_words), !bad_words.is_empty()),
    ];
    rules.into_iter().filter(|(.., is_set)| *is_set).map(|(key, value, _)| (key.to_owned(), value)).collect()
}

/// The longest bound of a translation's tokens that is followed.
const LONGEST: usize = 1 << 16;

/// How texts are to be written, by `generation_config.json` and by what `config.json` says of it.
pub(crate) struct Writing {
    settings: Map<String, Value>,
    /// The settings that `generation_config.json` has.
    own: BTreeSet<String>,
    /// Those of `config.json` that do not count beside `generation_config.json`.
    shadowed: Map<String, Value>,
    /// The positions of a model whose texts may fill them all.
    filled: Option<usize>,
    pub(crate) decoding: DecodingConfig,
    pub(crate) generation: GenerationConfig,
}

impl Writing {
    /// Reads the settings of a folder, whose `config.json` is `config`.
    ///
    /// # Errors
    /// [`InterchangeError::Damaged`], [`InterchangeError::Io`].
    pub(crate) fn read(folder: &Path, config: &Map<String, Value>) -> Result<Self, InterchangeError> {
        let path = folder.join(GENERATION);
        let has_file = path.is_file();
        let mut own = if has_file { files::read_json(&path)? } else { Map::new() };
        // A null there is as good as nothing: the end of `config.json` counts.
        own.retain(|_, value| !value.is_null());
        let of_config = config.iter().filter(|(key, _)| OF_GENERATION.contains(&key.as_str()));
        let of_config = of_config.map(|(key, value)| (key.clone(), value.clone()));
        // With that file it alone counts there, but for the tokens that texts begin and end with.
        let counts = |key: &String| !has_file || OF_ENDS.contains(&key.as_str());
        let (mut settings, mut shadowed): (Map<String, Value>, Map<String, Value>) =
            of_config.partition(|(key, _)| counts(key));
        // Classes write it into every config.json.
        shadowed.retain(|key, _| key != "forced_eos_token_id" && !own.contains_key(key));
        let names = own.keys().cloned().collect();
        settings.extend(own);
        // A text that fills all positions ends there in any case; a translation not before, however short its source is.
        let ends = ["max_position_embeddings", "max_target_positions"];
        let positions = ends.iter().find_map(|key| config.get(*key)?.as_u64());
        let longest = settings.get("max_length").and_then(Value::as_u64);
        let filled = positions.filter(|&positions| longest.is_some_and(|longest| longest >= positions));
        if filled.is_some() {
            settings.remove("max_length");
        }
        // An end is forced where a bound cuts a text.
        if !["max_length", "max_new_tokens"].iter().any(|key| settings.get(*key).is_some_and(|n| !n.is_null())) {
            settings.remove("forced_eos_token_id");
        }
        let filled = filled.map(|positions| positions.clamp(2, LONGEST as u64) as usize);
        let (decoding, generation) = <(DecodingConfig, GenerationConfig)>::default();
        Ok(Self { settings, own: names, shadowed, filled, decoding, generation })
    }

    /// Follows what can be followed by a model of this role, and gives what can't, by the file that says it. `rows` are
    /// those of the model's vocabulary.
    pub(crate) fn follow(
        &mut self,
        tokenizer: &dyn Tokenizer,
        rows: usize,
        role: Role,
    ) -> [(&'static str, Vec<String>); 2] {
        self.settings.retain(|key, value| !value.is_null() && key != "transformers_version");
        self.drop_ids(tokenizer, rows);
        if role != Role::LanguageModel {
            // An encoder–decoder begins with `decoder_start_token_id`, an encoder as its tokenizer does.
            self.settings.remove("bos_token_id");
        }
        match role {
            Role::EncoderDecoder => self.follow_search(tokenizer, rows),
            Role::LanguageModel => self.follow_sampling(tokenizer, rows),
            Role::SpeechRecognizer => {
                self.settings.retain(|key, _| !whisper::FOLLOWED.contains(&key.as_str()));
                self.shadowed.remove("forced_decoder_ids"); // which it asks config.json for
            }
            _ => {
                // Old files have this default in models that write nothing, too.
                self.settings.retain(|key, value| key != "max_length" || *value != 20);
                self.shadowed.clear();
            }
        }
        let left = |is_own: bool| {
            let settings = self.settings.iter().filter(|(key, _)| self.own.contains(*key) == is_own);
            let shadowed = self.shadowed.iter().filter(|_| !is_own);
            settings.chain(shadowed).filter(|(key, value)| !has_no_effect(key, value)).map(described).collect()
        };
        [(CONFIG, left(false)), (GENERATION, left(true))]
    }

    /// The search for a translation. Lengths of theirs count the token that translations begin with.
    fn follow_search(&mut self, tokenizer: &dyn Tokenizer, rows: usize) {
        if let Some(beam) = self.take("num_beams", |&beam| (1..=1024).contains(&beam)) {
            self.decoding.beam = beam;
        }
        self.decoding.length_penalty = 1.0;
        if let Some(penalty) = self.settings.get("length_penalty").and_then(Value::as_f64).filter(|&alpha| alpha >= 0.0)
        {
            self.decoding.length_penalty = penalty;
            self.settings.remove("length_penalty");
        }
        let stopping = self.settings.get("early_stopping").cloned().unwrap_or(Value::Bool(false));
        let known = [BeamRules::Early, BeamRules::Present, BeamRules::Never].into_iter();
        self.decoding.beam_rules = match known.clone().find(|&rules| early_stopping(rules).as_ref() == Some(&stopping))
        {
            Some(rules) => {
                self.settings.remove("early_stopping");
                rules
            }
            None => BeamRules::Present,
        };
        let max_new = self.take("max_new_tokens", |&n| (1..=LONGEST).contains(&n));
        let max_len = self.take("max_length", |n| (2..=LONGEST).contains(n)).or(self.filled).map(|n| n - 1);
        self.decoding = std::mem::take(&mut self.decoding).bounded(max_new.or(max_len));
        let bound = self.decoding.max_len.unwrap_or(LONGEST);
        let min_new = self.take("min_new_tokens", |&n| n <= bound);
        let min_len = self.take("min_length", |&n| n <= bound).map(|n| n.saturating_sub(1));
        self.decoding.min_len = min_new.into_iter().chain(min_len).max().unwrap_or(0);
        let ends: Vec<TokenId> = tokenizer.specials().end().into_iter().collect();
        // Theirs count the first token that the decoder reads: no text would end that begins with its end.
        let never_ends = tokenizers::target_ids(tokenizer).0.is_some_and(|start| ends.contains(&start));
        let no_repeat = self.take("no_repeat_ngram_size", |&n| n != 1 || !never_ends);
        self.decoding.no_repeat_ngram = no_repeat.unwrap_or(0);
        let forced = self.take("forced_bos_token_id", |&id| id < rows && !tokenizers::begins_with_language(tokenizer));
        self.decoding.forced_first = forced.and_then(|id| TokenId::try_from(id).ok());
        self.decoding.suppressed = self.take_suppressed(&ends, rows);
        self.decoding.bad_words = self.take_bad_words(&ends, rows);
    }

    /// The drawing of a text.
    fn follow_sampling(&mut self, tokenizer: &dyn Tokenizer, rows: usize) {
        let sampling = &mut self.generation.sampling;
        let settings = &mut self.settings;
        let float = |settings: &Map<String, Value>, key: &str| settings.get(key).and_then(Value::as_f64);
        let mut take = |key: &str, is_good: &dyn Fn(f64) -> bool, to: &mut f64| {
            if let Some(value) = float(settings, key).filter(|&value| is_good(value)) {
                *to = value;
                settings.remove(key);
            }
        };
        take("temperature", &|value| value >= 0.0, &mut sampling.temperature);
        take("top_p", &|value| value > 0.0 && value <= 1.0, &mut sampling.top_p);
        take("min_p", &|value| (0.0..=1.0).contains(&value), &mut sampling.min_p);
        take("typical_p", &|value| value > 0.0 && value <= 1.0, &mut sampling.typical_p);
        take("epsilon_cutoff", &|value| (0.0..1.0).contains(&value), &mut sampling.epsilon_cutoff);
        take("eta_cutoff", &|value| (0.0..1.0).contains(&value), &mut sampling.eta_cutoff);
        if let Some(top_k) = self.take("top_k", |_| true) {
            self.generation.sampling.top_k = top_k;
        } else if self.settings.get("do_sample") == Some(&Value::Bool(true)) && !self.settings.contains_key("top_k") {
            self.generation.sampling.top_k = DEFAULT_TOP_K;
        }
        let longest = 1 << 24;
        if let Some(n) = self.take("max_new_tokens", |&n| (1..=longest).contains(&n)) {
            self.generation.max_tokens = n;
        }
        let most = self.generation.max_tokens;
        self.generation.min_tokens = self.take("min_new_tokens", |&n| n <= most).unwrap_or(0);
        self.generation.no_repeat_ngram = self.take("no_repeat_ngram_size", |_| true).unwrap_or(0);
        self.generation.stop = self.take_stop();
        self.generation.ends = self.take_ends(rows);
        let ends = match &self.generation.ends[..] {
            [] => tokenizer.specials().eos.into_iter().collect(),
            ends => ends.to_vec(),
        };
        self.generation.suppressed = self.take_suppressed(&ends, rows);
        self.generation.bad_words = self.take_bad_words(&ends, rows);
        // Nothing is drawn there unless `do_sample` says so.
        match self.settings.remove("do_sample") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) | None => self.generation.sampling.temperature = 0.0,
            Some(other) => drop(self.settings.insert("do_sample".into(), other)),
        }
    }

    /// Leaves out ids that say what the tokenizer says, or forbid what is never chosen here.
    fn drop_ids(&mut self, tokenizer: &dyn Tokenizer, rows: usize) {
        let specials = tokenizer.specials();
        let never = |id: u64| {
            let is_special = specials.iter().any(|special| u64::from(special) == id && Some(special) != specials.end());
            is_special || (tokenizer.vocab_size() as u64..rows as u64).contains(&id)
        };
        let is_never = |value: &Value| value.as_u64().is_some_and(never);
        let has_never = |word: &Value| word.as_array().is_some_and(|ids| ids.iter().any(is_never));
        let mut leave_out = |key: &str, is_idle: &dyn Fn(&Value) -> bool| {
            if let Some(Value::Array(items)) = self.settings.get_mut(key) {
                items.retain(|item| !is_idle(item));
            }
        };
        leave_out("suppress_tokens", &is_never);
        leave_out("begin_suppress_tokens", &is_never);
        leave_out("bad_words_ids", &has_never);
        let is = |id: Option<TokenId>| move |value: &Value| value.as_u64() == id.map(u64::from);
        let [pad, begin, end] = [specials.pad, specials.begin(), specials.end()].map(is);
        let (start, first) = tokenizers::target_ids(tokenizer);
        let [is_start, is_first] = [start, first].map(is);
        let ends = |value: &Value| end(value) || value.as_array().is_some_and(|ids| ids.len() == 1 && end(&ids[0]));
        self.settings.retain(|key, value| !match key.as_str() {
            "pad_token_id" => pad(value) || end(value),
            "bos_token_id" => begin(value) || is(specials.bos)(value),
            "decoder_start_token_id" => is_start(value),
            "forced_bos_token_id" => is_first(value),
            "eos_token_id" => ends(value),
            _ => false,
        });
    }

    /// Takes a number out, if it is there and is good.
    fn take(&mut self, key: &str, is_good: impl FnOnce(&usize) -> bool) -> Option<usize> {
        let number = self.settings.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok());
        let number = number.filter(is_good)?;
        self.settings.remove(key);
        Some(number)
    }

    /// Strings that end a text: one, or a list of them.
    fn take_stop(&mut self) -> Vec<String> {
        let stop = self.settings.get("stop_strings").and_then(|value| match value {
            Value::String(text) => Some(vec![text.clone()]),
            several => Vec::<String>::deserialize(several).ok(),
        });
        self.followed("stop_strings", stop.filter(|stop| stop.iter().all(|text| !text.is_empty())))
    }

    /// Ids that end a text, where they are others than the tokenizer's end-of-text token.
    fn take_ends(&mut self, rows: usize) -> Vec<TokenId> {
        let ids = self.settings.get("eos_token_id").and_then(|value| Ids::deserialize(value).ok()).map(Vec::from);
        self.followed("eos_token_id", ids.filter(|ids| ids.iter().all(|&id| (id as usize) < rows)))
    }

    /// Ids that are never written; a text that could not end is not followed.
    fn take_suppressed(&mut self, ends: &[TokenId], rows: usize) -> Vec<TokenId> {
        let ids = self.settings.get("suppress_tokens").and_then(|value| Vec::<TokenId>::deserialize(value).ok());
        let is_good = |ids: &Vec<TokenId>| ids.iter().all(|id| (*id as usize) < rows && !ends.contains(id));
        self.followed("suppress_tokens", ids.filter(is_good))
    }

    /// Sequences of ids that no text comes to contain.
    fn take_bad_words(&mut self, ends: &[TokenId], rows: usize) -> Vec<Vec<TokenId>> {
        let words = self.settings.get("bad_words_ids").and_then(|value| Vec::<Vec<TokenId>>::deserialize(value).ok());
        let is_good = |word: &Vec<TokenId>| {
            let can_end = word.last().is_some_and(|last| !ends.contains(last));
            can_end && word.iter().all(|&id| (id as usize) < rows)
        };
        self.followed("bad_words_ids", words.filter(|words| words.iter().all(is_good)))
    }

    /// What a setting says, which is left out then; nothing where it can't be followed.
    fn followed<T>(&mut self, key: &str, found: Option<Vec<T>>) -> Vec<T> {
        if found.is_some() {
            self.settings.remove(key);
        }
        found.unwrap_or_default()
    }
}
