//! The tokens that steer Whisper, by its tokenizer and its `generation_config.json`.

use std::{borrow::Cow, collections::BTreeMap};

use attentive_bundle::SpeechTokens;
use attentive_tokenizer::{TokenId, Tokenizer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    InterchangeError, files,
    reader::{CONFIG, Reader},
    settings::GENERATION,
    tokenizers,
};

/// Entries of the vocabulary of the models for several languages, at least.
const MULTILINGUAL: usize = 51_865;

/// The settings that are followed; older folders have some of them in `config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Steering {
    pub(crate) is_multilingual: Option<bool>,
    pub(crate) lang_to_id: BTreeMap<String, TokenId>,
    pub(crate) language: Option<String>,
    pub(crate) task: Option<String>,
    pub(crate) suppress_tokens: Option<Vec<TokenId>>,
    pub(crate) begin_suppress_tokens: Option<Vec<TokenId>>,
    pub(crate) forced_decoder_ids: Option<Vec<(usize, Option<TokenId>)>>,
    pub(crate) decoder_start_token_id: Option<TokenId>,
    pub(crate) max_initial_timestamp_index: Option<u32>,
    pub(crate) no_timestamps_token_id: Option<TokenId>,
    pub(crate) prev_sot_token_id: Option<TokenId>,
}

/// The names of the settings that are followed here, or say what is known here otherwise.
pub(crate) const FOLLOWED: [&str; 17] = [
    "alignment_heads", // times of words, which are not made here
    "begin_suppress_tokens",
    "bos_token_id",
    "decoder_start_token_id",
    "eos_token_id",
    "forced_decoder_ids",
    "is_multilingual",
    "lang_to_id",
    "language",
    "max_initial_timestamp_index",
    "no_timestamps_token_id",
    "pad_token_id",
    "prev_sot_token_id",
    "return_timestamps", // asked for by the user
    "suppress_tokens",
    "task",
    "task_to_id",
];

/// Reads the tokens of a folder whose model's vocabulary has so many rows.
///
/// # Errors
/// [`InterchangeError::Vocabulary`] where nothing says what a transcription begins or ends with.
pub(super) fn import(
    reader: &mut Reader<'_>,
    tokenizer: &dyn Tokenizer,
    n_rows: usize,
) -> Result<SpeechTokens, InterchangeError> {
    let path = reader.folder.join(GENERATION);
    let of_config = |keys: &[&str]| {
        let setting = |&key: &&str| Some((key.to_owned(), reader.setting(key)?.clone()));
        let value = Value::Object(keys.iter().filter_map(setting).collect());
        Steering::deserialize(value).map_err(InterchangeError::damaged(&reader.config_path()))
    };
    let steering = if path.is_file() {
        let mut own: Steering = files::read_json(&path)?;
        if own.forced_decoder_ids.is_none() {
            // Of these alone, transformers asks config.json as well.
            own.forced_decoder_ids = of_config(&["forced_decoder_ids"])?.forced_decoder_ids;
        }
        own
    } else {
        of_config(&["suppress_tokens", "begin_suppress_tokens", "forced_decoder_ids", "decoder_start_token_id"])?
    };
    steering.tokens(reader, tokenizer, n_rows)
}

impl Steering {
    /// The tokens that it names, and those that the tokenizer does.
    ///
    /// # Errors
    /// As [`import`].
    pub(crate) fn tokens(
        self,
        reader: &mut Reader<'_>,
        tokenizer: &dyn Tokenizer,
        n_rows: usize,
    ) -> Result<SpeechTokens, InterchangeError> {
        let settings = self;
        let added = tokenizer.added_tokens();
        let id_of = |name: &str| added.iter().find(|token| token.content == name).map(|token| token.id);
        let start = settings.decoder_start_token_id.or_else(|| id_of(tokenizers::START));
        let (Some(start), Some(end)) = (start, tokenizer.specials().end()) else {
            let problem = format!(
                "nothing says what a transcription begins with (decoder_start_token_id, or the tokenizer's {}), or its \
                 tokenizer has no end of a text",
                tokenizers::START
            );
            return Err(InterchangeError::Vocabulary { path: reader.folder.join(tokenizers::TOKENIZER), problem });
        };
        let is_multilingual =
            settings.is_multilingual.unwrap_or(!settings.lang_to_id.is_empty() || n_rows >= MULTILINGUAL);
        let code = |name: &str| name.trim_start_matches("<|").trim_end_matches("|>").to_owned();
        let is_language =
            |code: &str| (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase());
        let languages: BTreeMap<String, TokenId> = if !is_multilingual {
            BTreeMap::new()
        } else if settings.lang_to_id.is_empty() {
            let by_name = added.iter().map(|token| (code(&token.content), token.id));
            by_name.filter(|(code, _)| is_language(code)).collect()
        } else {
            settings.lang_to_id.iter().map(|(name, &id)| (code(name), id)).collect()
        };
        // A language or a task that is named takes the place of ids, as in transformers.
        let is_named = settings.language.is_some() || settings.task.is_some();
        let all_forced = settings.forced_decoder_ids.filter(|_| !is_named).unwrap_or_default();
        let forced = |place: usize| all_forced.iter().find_map(|(at, id)| id.filter(|_| *at == place));
        let by_id = languages.iter().find(|(_, id)| Some(**id) == forced(1)).map(|(name, _)| name.clone());
        let named = settings.language.map(|name| code(&name));
        if let Some(name) = named.as_ref().filter(|name| !languages.contains_key(*name)) {
            reader
                .notes
                .push(format!("{GENERATION}: not followed here: language = {name:?}; give the language's code"));
        }
        let of_task = |name: &str| id_of(name).filter(|_| is_multilingual);
        let translate = of_task("<|translate|>");
        if settings.task.as_deref() == Some("translate") {
            reader.notes.push(format!("{GENERATION}: not followed here: task = \"translate\"; ask for it"));
        } else if translate.is_some() && forced(2) == translate {
            reader.notes.push("not followed here: forced_decoder_ids say <|translate|>; ask for it".to_owned());
        }
        let no_times = settings.no_timestamps_token_id.or_else(|| id_of("<|notimestamps|>"));
        let tokens = SpeechTokens {
            start,
            end,
            usual_language: named.filter(|name| languages.contains_key(name)).or(by_id),
            languages,
            transcribe: of_task("<|transcribe|>"),
            translate,
            no_times,
            // Times follow in the model's table, whether they have names or not.
            first_time: no_times.map(|id| id + 1).filter(|&id| (id as usize) < n_rows),
            no_speech: id_of("<|nospeech|>").or_else(|| id_of("<|nocaptions|>")),
            previous: settings.prev_sot_token_id.or_else(|| id_of("<|startofprev|>")),
            suppressed: settings.suppress_tokens.unwrap_or_default(),
            suppressed_first: settings.begin_suppress_tokens.unwrap_or_default(),
            latest_first: settings.max_initial_timestamp_index,
        };
        reader.notes.extend(note_of_others(&all_forced, &tokens, tokenizer));
        let names = [GENERATION, CONFIG].map(|name| reader.folder.join(name));
        match (tokens.problem(n_rows), names.into_iter().find(|path| path.is_file())) {
            (Some(problem), Some(path)) => Err(InterchangeError::Unsupported { path, problems: vec![problem] }),
            _ => Ok(tokens),
        }
    }
}

/// The note of forced ids that are not where a prompt here has a language, a task, or that there are no times.
fn note_of_others(
    forced: &[(usize, Option<TokenId>)],
    tokens: &SpeechTokens,
    tokenizer: &dyn Tokenizer,
) -> Option<String> {
    let is_of_prompt = |at: usize, id: TokenId| match at {
        _ if Some(id) == tokens.no_times => true,
        1 => tokens.languages.values().any(|&language| language == id),
        2 => [tokens.transcribe, tokens.translate].contains(&Some(id)),
        _ => false,
    };
    let name = |id: TokenId| tokenizer.token(id).map_or_else(|| id.to_string(), Cow::into_owned);
    let ids = forced.iter().filter_map(|&(at, id)| Some((at, id?))).filter(|&(at, id)| !is_of_prompt(at, id));
    let others: Vec<String> = ids.map(|(at, id)| format!("{} at {at}", name(id))).collect();
    (!others.is_empty()).then(|| format!("not followed here: forced_decoder_ids say {}", others.join(", ")))
}

/// The `generation_config.json` of a model that these tokens steer, with so many positions.
pub(super) fn export(tokens: &SpeechTokens, max_len: usize) -> Value {
    let mut settings = json!({
        "decoder_start_token_id": tokens.start,
        "bos_token_id": tokens.end,
        "eos_token_id": tokens.end,
        "pad_token_id": tokens.end,
        "max_length": max_len,
        "return_timestamps": false,
        "is_multilingual": !tokens.languages.is_empty(),
        "suppress_tokens": tokens.suppressed,
        "begin_suppress_tokens": tokens.suppressed_first,
    });
    let settings_of = settings.as_object_mut().expect("an object");
    let languages: BTreeMap<String, TokenId> =
        tokens.languages.iter().map(|(code, &id)| (format!("<|{code}|>"), id)).collect();
    let tasks: BTreeMap<&str, TokenId> = [("transcribe", tokens.transcribe), ("translate", tokens.translate)]
        .into_iter()
        .filter_map(|(name, id)| Some((name, id?)))
        .collect();
    let some = [
        ("lang_to_id", (!languages.is_empty()).then(|| json!(languages))),
        ("task_to_id", (!tasks.is_empty()).then(|| json!(tasks))),
        ("language", tokens.usual_language.as_ref().map(|code| json!(format!("<|{code}|>")))),
        ("no_timestamps_token_id", tokens.no_times.map(Value::from)),
        ("prev_sot_token_id", tokens.previous.map(Value::from)),
        ("max_initial_timestamp_index", tokens.latest_first.map(Value::from)),
    ];
    settings_of.extend(some.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    for list in ["suppress_tokens", "begin_suppress_tokens"] {
        if settings_of[list] == json!([]) {
            settings_of.remove(list);
        }
    }
    settings
}
