//! Settings that do not shape the model: followed, known to have no effect, or noted.

use std::path::Path;

use attentive_bundle::{DecodingConfig, GenerationConfig};
use attentive_tokenizer::{TokenId, Tokenizer};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use crate::{InterchangeError, files};

pub(crate) const GENERATION: &str = "generation_config.json";

/// One id, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ids {
    One(TokenId),
    Many(Vec<TokenId>),
}

/// Settings that no model's output depends on in use: notes of where a model comes from, what it was drawn and trained
/// with, what a Python program is given back, and what classes do that are not read here.
const OF_NO_EFFECT: [&str; 64] = [
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_from_model_config",
    "_name_or_path",
    "_num_labels",
    "add_final_layer_norm",
    "architectures",
    "attn_implementation",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classif_dropout",
    "classifier_dropout",
    "decoder_layerdrop",
    "dense_act_fn",
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
    "is_gated_act",
    "label2id",
    "language",
    "max_position_embeddings",
    "model_type",
    "n_ctx",
    "n_positions",
    "name",
    "name_or_path",
    "normalize_before",
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
    "reorder_and_upcast_attn",
    "return_dict",
    "return_dict_in_generate",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_bfloat16",
    "use_cache",
];

/// Settings that have no effect at these values, as JSON: transformers' own defaults, and what our models are.
const OF_NO_EFFECT_AT: [(&str, &str); 36] = [
    ("add_bias_logits", "false"),
    ("add_cross_attention", "false"),
    ("diversity_penalty", "0.0"),
    ("do_blenderbot_90_layernorm", "false"),
    ("do_sample", "false"),
    ("early_stopping", "false"),
    ("encoder_no_repeat_ngram_size", "0"),
    ("encoder_repetition_penalty", "1.0"),
    ("epsilon_cutoff", "0.0"),
    ("eta_cutoff", "0.0"),
    ("force_bos_token_to_be_generated", "false"),
    ("is_decoder", "false"),
    ("length_penalty", "1.0"),
    ("max_length", "20"),
    ("min_length", "0"),
    ("no_repeat_ngram_size", "0"),
    ("normalize_embedding", "false"),
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
    ("static_position_embeddings", "true"),
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
const OF_GENERATION: [&str; 25] = [
    "bad_words_ids",
    "begin_suppress_tokens",
    "decoder_start_token_id",
    "do_sample",
    "early_stopping",
    "eos_token_id",
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
];

/// Whether a setting says nothing: it is not set, or has the value that has no effect.
fn has_no_effect(key: &str, value: &Value) -> bool {
    let is_unset = match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    };
    let is = |neutral: &str| {
        serde_json::from_str::<Value>(neutral).is_ok_and(|neutral| match (neutral.as_f64(), value.as_f64()) {
            (Some(neutral), Some(value)) => neutral == value,
            _ => neutral == *value,
        })
    };
    is_unset
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

/// The settings of `config.json` that are neither read by `T` nor of how texts are written, and may have an effect.
pub(crate) fn unfollowed<T: DeserializeOwned>(settings: &Map<String, Value>) -> Vec<String> {
    let known = fields_of::<T>();
    let is_read = |key: &str| known.contains(&key) || OF_GENERATION.contains(&key);
    settings.iter().filter(|(key, value)| !is_read(key) && !has_no_effect(key, value)).map(described).collect()
}

/// A setting for a note, cut short where its value is long.
fn described((key, value): (&String, &Value)) -> String {
    const LONGEST: usize = 40;
    let value = value.to_string();
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{key} = {}…", &value[..end]),
        None => format!("{key} = {value}"),
    }
}

/// The note of the rules of writing that exports leave out, `table`'s keys with whether each is set.
fn left_out(table: &str, rules: &[(&str, bool)]) -> Option<String> {
    let set: Vec<String> =
        rules.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| format!("{table}.{key}")).collect();
    (!set.is_empty()).then(|| format!("left out, give them to the other system yourself: {}", set.join(", ")))
}

/// The rules of translations that are in no exported file.
pub(crate) fn left_out_of_decoding(decoding: &DecodingConfig) -> Option<String> {
    let rules = [
        ("min_len", decoding.min_len > 0),
        ("no_repeat_ngram", decoding.no_repeat_ngram > 0),
        ("repetition_penalty", decoding.repetition_penalty != 1.0),
        ("suppressed", !decoding.suppressed.is_empty()),
        ("bad_words", !decoding.bad_words.is_empty()),
        ("forced_first", decoding.forced_first.is_some()),
    ];
    left_out("decoding", &rules)
}

/// The rules of continuations that are in no exported file.
pub(crate) fn left_out_of_generation(generation: &GenerationConfig) -> Option<String> {
    let rules = [
        ("min_tokens", generation.min_tokens > 0),
        ("no_repeat_ngram", generation.no_repeat_ngram > 0),
        ("suppressed", !generation.suppressed.is_empty()),
        ("bad_words", !generation.bad_words.is_empty()),
    ];
    left_out("generation", &rules)
}

/// How texts are to be written, by `generation_config.json` and by what `config.json` says of it.
pub(crate) struct Writing {
    settings: Map<String, Value>,
    pub(crate) decoding: DecodingConfig,
    pub(crate) generation: GenerationConfig,
}

impl Writing {
    /// Reads the settings of a folder, whose `config.json` is `config`.
    ///
    /// # Errors
    /// [`InterchangeError::Damaged`], [`InterchangeError::Io`].
    pub(crate) fn read(folder: &Path, config: &Map<String, Value>) -> Result<Self, InterchangeError> {
        let of_config = config.iter().filter(|(key, _)| OF_GENERATION.contains(&key.as_str()));
        let mut settings: Map<String, Value> = of_config.map(|(key, value)| (key.clone(), value.clone())).collect();
        let path = folder.join(GENERATION);
        if path.is_file() {
            settings.extend(files::read_json::<Map<String, Value>>(&path)?);
        }
        // A text that fills all positions ends there in any case.
        let positions = config.get("max_position_embeddings").and_then(Value::as_u64);
        let longest = settings.get("max_length").and_then(Value::as_u64);
        if positions.is_some_and(|positions| longest.is_some_and(|longest| longest >= positions)) {
            settings.remove("max_length");
        }
        Ok(Self { settings, decoding: DecodingConfig::default(), generation: GenerationConfig::default() })
    }

    /// Follows what can be followed, and gives what can't. `rows` are those of the model's vocabulary.
    pub(crate) fn follow(&mut self, tokenizer: &dyn Tokenizer, rows: usize, searches: bool) -> Vec<String> {
        self.settings.retain(|key, value| !value.is_null() && key != "transformers_version");
        if searches {
            self.follow_search();
        } else {
            self.follow_sampling();
        }
        self.drop_ids(tokenizer, rows);
        self.settings.iter().filter(|(key, value)| !has_no_effect(key, value)).map(described).collect()
    }

    /// The search for a translation.
    fn follow_search(&mut self) {
        if let Some(beam) = self.number("num_beams").filter(|&beam| (1..=1024).contains(&beam)) {
            self.decoding.beam = beam;
            self.settings.remove("num_beams");
        }
    }

    /// The drawing of a text.
    fn follow_sampling(&mut self) {
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
        if let Some(top_k) = self.number("top_k") {
            self.generation.sampling.top_k = top_k;
            self.settings.remove("top_k");
        }
        if let Some(n) = self.number("max_new_tokens").filter(|&n| n > 0) {
            self.generation.max_tokens = n;
            self.settings.remove("max_new_tokens");
        }
        match self.settings.remove("do_sample") {
            Some(Value::Bool(false)) => self.generation.sampling.temperature = 0.0,
            Some(Value::Bool(true)) | None => {}
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
        let all_never = |value: &Value| value.as_array().is_some_and(|ids| ids.iter().all(is_never));
        let none_chosen = |value: &Value| {
            let words = value.as_array();
            words.is_some_and(|words| {
                words.iter().all(|word| word.as_array().is_some_and(|ids| ids.iter().any(is_never)))
            })
        };
        let is = |id: Option<TokenId>| move |value: &Value| value.as_u64() == id.map(u64::from);
        let [pad, begin, end] = [specials.pad, specials.begin(), specials.end()].map(is);
        let ends = |value: &Value| end(value) || value.as_array().is_some_and(|ids| ids.len() == 1 && end(&ids[0]));
        self.settings.retain(|key, value| !match key.as_str() {
            "suppress_tokens" | "begin_suppress_tokens" => all_never(value),
            "bad_words_ids" => none_chosen(value),
            "pad_token_id" => pad(value) || end(value),
            "bos_token_id" => begin(value) || is(specials.bos)(value),
            "decoder_start_token_id" => begin(value),
            "eos_token_id" | "forced_eos_token_id" => ends(value),
            _ => false,
        });
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.settings.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok())
    }
}
