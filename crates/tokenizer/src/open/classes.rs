//! Tokenizers by the class of transformers that a folder's settings name, from its vocabulary files.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::folder::{entry, placed};
use super::known::{self, BERT_LIKE, ROBERTA_LIKE};
use super::settings::Settings;
use super::{Frame, OpenOptions, Opened, guess, languages, pieces};
use crate::byte_level::{ByteLevelBpe, parse_merges};
use crate::bytes::Bytes;
use crate::code_points::CodePoints;
use crate::error::TokenizerError;
use crate::files;
use crate::m2m100::M2m100;
use crate::marian::Marian;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::tokenizer_json;
use crate::wordpiece::{self, WordPiece, WordPieceFile};

/// Classes that are written in Python and never read a `tokenizer.json`.
pub(super) fn of_python(settings: &Settings) -> bool {
    matches!(
        settings.class.as_deref(),
        Some("MarianTokenizer" | "M2M100Tokenizer" | "ByT5Tokenizer" | "CanineTokenizer")
    )
}

/// By the class; `None` if there is none, or one of those that stand for any tokenizer.
pub(super) fn open(settings: &mut Settings, options: &OpenOptions) -> Result<Option<Opened>, TokenizerError> {
    let Some(class) = settings.class.clone() else { return Ok(None) };
    let folder = settings.folder.clone();
    let opened = match &*class {
        class if BERT_LIKE.contains(&class) => bert(settings, options)?,
        class
            if ROBERTA_LIKE.contains(&class)
                || ["GPT2Tokenizer", "CodeGenTokenizer", "WhisperTokenizer"].contains(&class) =>
        {
            let [vocab, merges] = need(settings, ["vocab.json", "merges.txt"])
                .or_else(|missing| need(settings, ["encoder.json", "vocab.bpe"]).map_err(|_| missing))?;
            byte_level(settings, &vocab, &merges)?
        }
        "Qwen2Tokenizer" => {
            let [vocab, merges] = need(settings, ["vocab.json", "merges.txt"])?;
            qwen2(settings, &vocab, &merges)?
        }
        "CLIPTokenizer" => {
            let [vocab, merges] = need(settings, ["vocab.json", "merges.txt"])?;
            clip(settings, &vocab, &merges)?
        }
        "MarianTokenizer" => marian(settings, options)?,
        "M2M100Tokenizer" => m2m100(settings)?,
        "ByT5Tokenizer" => byt5(settings)?,
        "CanineTokenizer" => {
            let tokenizer = CodePoints::default();
            Opened { frame: enclosed(&tokenizer, 1), ..Opened::plain(tokenizer) }
        }
        class if known::OF_ANY_KIND.contains(&class) => return Ok(None),
        class => match pieces::open(settings, class)? {
            Some(opened) => opened,
            // Models of other languages than those of people have words in the place of ALBERT's pieces.
            None if class == "AlbertTokenizer" && folder.join("vocab.txt").is_file() => {
                settings
                    .notes
                    .push("AlbertTokenizer has no pieces here: the words of vocab.txt are read as BERT's".to_owned());
                bert(settings, options)?
            }
            None => {
                let problem = format!(
                    "the class {class} is read from its tokenizer.json alone, and there is none; save the folder again \
                     with transformers 5, which writes it for most classes"
                );
                return Err(TokenizerError::Unsupported { path: folder, problems: vec![problem] });
            }
        },
    };
    Ok(Some(opened))
}

/// The paths of files that must be there.
pub(super) fn need<const N: usize>(
    settings: &Settings,
    names: [&str; N],
) -> Result<[std::path::PathBuf; N], TokenizerError> {
    let paths = names.map(|name| settings.folder.join(name));
    match paths.iter().zip(names).find(|(path, _)| !path.is_file()) {
        Some((_, missing)) => {
            let class = settings.class.as_deref().unwrap_or("this kind of tokenizer");
            let all = names.join(" and ");
            let or_json = if of_python(settings) { "" } else { ", or from tokenizer.json" };
            Err(settings.unsupported(format!("there is no {missing}; {class} is read from {all}{or_json}")))
        }
        None => Ok(paths),
    }
}

/// `inner` with the tokens and names of the settings around it.
pub(super) fn with_settings(
    settings: &mut Settings,
    inner: Box<dyn Tokenizer>,
    frame: impl FnOnce(&dyn Tokenizer) -> Option<Frame>,
) -> Result<Opened, TokenizerError> {
    let known = inner.added_tokens();
    let n = inner.vocab_size() as TokenId;
    let by_name: Map<String, Value> =
        (0..n).filter_map(|id| Some((inner.token(id)?.into_owned(), json!(id)))).collect();
    let id_of = |content: &str| {
        let special = known.iter().find(|token| token.content == content).map(|token| token.id);
        special.or_else(|| by_name.get(content)?.as_u64().and_then(|id| TokenId::try_from(id).ok()))
    };
    let added = placed(settings, id_of, n as usize)?;
    let tokenizer =
        tokenizer_json::with_added(inner, added, &settings.names).map_err(TokenizerError::invalid(&settings.folder))?;
    let frame = frame(&*tokenizer);
    Ok(Opened { frame, ..Opened::boxed(tokenizer) })
}

/// With the end of a sequence after a text.
fn with_end(settings: &mut Settings, inner: Box<dyn Tokenizer>) -> Result<Opened, TokenizerError> {
    with_settings(settings, inner, |tokenizer| {
        Some(Frame { after: vec![tokenizer.specials().end()?], ..Frame::default() })
    })
}

fn byt5(settings: &mut Settings) -> Result<Opened, TokenizerError> {
    let is_sentinel = |content: &str| content.starts_with("<extra_id_");
    let n_named = settings.added.iter().filter(|token| is_sentinel(&token.content)).count();
    if n_named != 125 && settings.config.contains_key("added_tokens_decoder") {
        return Err(settings.unsupported(format!("added_tokens_decoder has {n_named} of ByT5's 125 <extra_id_…>")));
    }
    match settings.n_sentinels() {
        Ok(125) => {}
        // As transformers saves it.
        Ok(0) if n_named == 125 => {}
        Ok(n) => return Err(settings.unsupported(format!("extra_ids is {n}, and ByT5's 125 are read"))),
        Err(problem) => return Err(settings.unsupported(problem)),
    }
    (0..125).for_each(|index| settings.name_special(&format!("<extra_id_{index}>")));
    with_end(settings, Box::new(Bytes::default()))
}

/// `[CLS]` before a text and `[SEP]` after it, or what the class has in their place, with so many of the latter between two
/// texts: 1 in BERT, 2 in RoBERTa.
pub(super) fn enclosed(tokenizer: &dyn Tokenizer, n_between: usize) -> Option<Frame> {
    let specials = tokenizer.specials();
    let end = specials.sep.or(specials.eos)?;
    let between = Some(vec![end; n_between]);
    Some(Frame { before: vec![specials.cls.or(specials.bos)?], after: vec![end], between })
}

pub(super) fn bert(settings: &mut Settings, options: &OpenOptions) -> Result<Opened, TokenizerError> {
    let [path] = need(settings, ["vocab.txt"])?;
    let vocab = wordpiece::parse_vocab(&files::read_text(&path)?);
    let setting = options.lowercase.or(settings.flag("do_lower_case"));
    let (guessed, note) = guess::lowercase(&vocab, setting);
    // Without a word, the class takes every vocabulary for uncased.
    let of_class = settings.class.as_ref().map(|_| true);
    let lowercase = setting.or(of_class).unwrap_or(guessed);
    if let Some(note) = note {
        let by_class = "vocab.txt: nothing says whether it is cased, though it has capital letters; read as uncased, as \
                        transformers does";
        settings.notes.push(if of_class.is_some() { by_class.to_owned() } else { format!("vocab.txt: {note}") });
    }
    for name in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] {
        if vocab.iter().any(|token| token == name) {
            settings.name_special(name);
        }
    }
    let n_between = known::n_between(settings.class.as_deref().unwrap_or_default());
    let strips = settings.flag("strip_accents");
    let splits_chinese = settings.flag("tokenize_chinese_chars").unwrap_or(true);
    let named = |role: &str, usual: &str| settings.names.get(role).is_none_or(|name| name == usual);
    let is_usual = strips.unwrap_or(lowercase) == lowercase
        && splits_chinese
        && named("unk_token", "[UNK]")
        && ["[CLS]", "[SEP]"].iter().all(|name| vocab.iter().any(|token| token == name))
        && !settings.added.iter().any(|token| token.normalized);
    if is_usual {
        let inner = WordPiece::new(WordPieceFile { lowercase, vocab }).map_err(TokenizerError::invalid(&path))?;
        return with_settings(settings, Box::new(inner), |tokenizer| enclosed(tokenizer, n_between));
    }
    let unk = settings.names.get("unk_token").map_or("[UNK]", String::as_str);
    let ids: Map<String, Value> =
        vocab.into_iter().zip(0..).map(|(token, id): (_, TokenId)| (token, json!(id))).collect();
    let value = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": splits_chinese,
                       "strip_accents": strips, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": unk, "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    });
    from_value(settings, &path, value, |tokenizer| enclosed(tokenizer, n_between))
}

/// Of a `tokenizer.json` made here, with the tokens of the settings.
pub(super) fn from_value(
    settings: &mut Settings,
    path: &Path,
    mut value: Value,
    frame: impl FnOnce(&dyn Tokenizer) -> Option<Frame>,
) -> Result<Opened, TokenizerError> {
    let ids = tokenizer_json::ids(&value["model"]["vocab"]);
    let next = ids.values().max().map_or(0, |&id| id as usize + 1);
    let added = placed(settings, |content| ids.get(content).copied(), next)?;
    value["added_tokens"] = added.iter().map(entry).collect();
    let tokenizer = tokenizer_json::read(path, &value, None, &settings.names, true)?;
    let frame = frame(&*tokenizer);
    Ok(Opened { frame, ..Opened::boxed(tokenizer) })
}

pub(super) fn byte_level(settings: &mut Settings, vocab: &Path, merges: &Path) -> Result<Opened, TokenizerError> {
    let prefix_space = settings.flag("add_prefix_space").unwrap_or(false);
    let is_whisper = settings.class.as_deref() == Some("WhisperTokenizer");
    let is_roberta = settings.class.as_deref().is_some_and(|class| ROBERTA_LIKE.contains(&class));
    let (begins, ends) = (settings.flag("add_bos_token") == Some(true), settings.flag("add_eos_token") == Some(true));
    let frame = move |tokenizer: &dyn Tokenizer| {
        let specials = tokenizer.specials();
        match is_roberta {
            true => enclosed(tokenizer, 2),
            false if is_whisper => around_speech(tokenizer),
            false => Some(Frame {
                before: specials.bos.filter(|_| begins).into_iter().collect(),
                after: specials.eos.filter(|_| ends).into_iter().collect(),
                between: None,
            }),
        }
    };
    if is_roberta {
        name_roberta_specials(settings, vocab)?;
    }
    if guess::has_word_ends(&files::read_text(merges)?) {
        return match settings.class {
            None => clip(settings, vocab, merges),
            Some(_) => {
                Err(settings.unsupported("merges.txt ends words with </w>, which its class does not".to_owned()))
            }
        };
    }
    let ours = ByteLevelBpe::from_files(vocab, merges);
    match ours {
        Ok(ours) if !prefix_space && settings.names_all(&ours) => with_settings(settings, Box::new(ours), frame),
        ours => {
            // Their library does without a token for some of the bytes, puts a space before a text, and has no special tokens
            // but those that are named.
            let model = json!({"type": "BPE", "continuing_subword_prefix": "", "end_of_word_suffix": ""});
            let bytes =
                json!({"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": true, "use_regex": true});
            let value = json!({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": bytes,
                               "post_processor": null, "decoder": bytes, "model": model});
            let theirs = bpe([vocab, merges], value).and_then(|value| from_value(settings, vocab, value, frame));
            match (ours, theirs) {
                (Err(error), Err(_)) => Err(error),
                (_, theirs) => theirs,
            }
        }
    }
}

/// What Whisper writes around a text where no language is said; `None` without the tokens that steer it.
fn around_speech(tokenizer: &dyn Tokenizer) -> Option<Frame> {
    let added = tokenizer.added_tokens();
    let id = |name: &str| added.iter().find(|token| token.content == name).map(|token| token.id);
    let before = vec![id("<|startoftranscript|>")?, id("<|notimestamps|>")?];
    Some(Frame { before, after: vec![id("<|endoftext|>")?], between: None })
}

/// Counts the tokens that the class of RoBERTa takes for special among those of the settings, if the vocabulary has them.
fn name_roberta_specials(settings: &mut Settings, vocab: &Path) -> Result<(), TokenizerError> {
    let ids: Map<String, Value> =
        serde_json::from_str(&files::read_text(vocab)?).map_err(TokenizerError::json(vocab))?;
    for name in ["<s>", "</s>", "<unk>", "<pad>", "<mask>"] {
        if ids.contains_key(name) {
            settings.name_special(name);
        }
    }
    Ok(())
}

/// `value` with the vocabulary and the merges of a BPE model.
fn bpe([vocab, merges]: [&Path; 2], mut value: Value) -> Result<Value, TokenizerError> {
    let ids: Value = serde_json::from_str(&files::read_text(vocab)?).map_err(TokenizerError::json(vocab))?;
    value["model"]["vocab"] = ids;
    let pairs = parse_merges(&files::read_text(merges)?).map_err(TokenizerError::invalid(merges))?;
    value["model"]["merges"] = pairs.into_iter().map(|(left, right)| json!([left, right])).collect();
    Ok(value)
}

/// Source: `Qwen2Tokenizer` of transformers 5.
fn qwen2(settings: &mut Settings, vocab: &Path, merges: &Path) -> Result<Opened, TokenizerError> {
    const PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let prefix_space = settings.flag("add_prefix_space").unwrap_or(false);
    let value = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": true, "use_regex": false}]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false},
    });
    let value = bpe([vocab, merges], value)?;
    for role in ["eos_token", "pad_token"] {
        let name = settings.name_of(role, "<|endoftext|>");
        settings.name_special(&name);
        settings.names.insert(role.to_owned(), name);
    }
    from_value(settings, vocab, value, |_| Some(Frame::default()))
}

/// CLIP's, if the vocabulary shows that it is; other kinds end words with `</w>` too.
pub(super) fn clip_by_vocabulary(folder: &Path, vocab: &Path, merges: &Path) -> Result<Opened, TokenizerError> {
    let mut settings = Settings::read(folder)?;
    clip(&mut settings, vocab, merges)
}

/// Source: `CLIPTokenizer` of transformers 5.
fn clip(settings: &mut Settings, vocab: &Path, merges: &Path) -> Result<Opened, TokenizerError> {
    const PATTERN: &str =
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
    let name = |role: &str, usual: &str| settings.names.get(role).cloned().unwrap_or_else(|| usual.to_owned());
    let [bos, eos] = [name("bos_token", "<|startoftext|>"), name("eos_token", "<|endoftext|>")];
    let unk = name("unk_token", "<|endoftext|>");
    let value = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "unk_token": unk, "continuing_subword_prefix": "", "end_of_word_suffix": "</w>",
                  "fuse_unk": false},
    });
    let value = bpe([vocab, merges], value)?;
    if [&bos, &eos].iter().any(|&token| value["model"]["vocab"].get(token).is_none()) {
        let problem = "merges.txt ends words with </w> and vocab.json is not CLIP's; give the model's tokenizer.json";
        return Err(settings.unsupported(problem.to_owned()));
    }
    for (role, name) in [("bos_token", bos), ("eos_token", eos), ("unk_token", unk)] {
        settings.names.insert(role.to_owned(), name.clone());
        settings.name_special(&name);
    }
    from_value(settings, vocab, value, |tokenizer| {
        let specials = tokenizer.specials();
        Some(Frame { before: vec![specials.bos?], after: vec![specials.eos?], between: None })
    })
}

/// M2M100's folder: ids of `vocab.json`, then those of languages.
fn m2m100(settings: &mut Settings) -> Result<Opened, TokenizerError> {
    let [model, vocab] = need(settings, ["sentencepiece.bpe.model", "vocab.json"])?;
    let languages = languages::of_m2m_100(settings).map_err(|problem| settings.unsupported(problem))?;
    let tokenizer = M2m100::from_files(&model, &vocab, languages)?;
    with_end(settings, Box::new(tokenizer))
}

/// OPUS-MT's folder: ids of `vocab.json`, and not of the SentencePiece models.
pub(super) fn marian(settings: &mut Settings, options: &OpenOptions) -> Result<Opened, TokenizerError> {
    let separate = settings.flag("separate_vocabs").unwrap_or(false);
    let [source, target, vocab] = need(settings, ["source.spm", "target.spm", "vocab.json"])?;
    let of_targets = if separate { need(settings, ["target_vocab.json"])?[0].clone() } else { vocab.clone() };
    let begin = options.target_begin.map(u64::from);
    let begin = begin.or_else(|| settings.model.get("decoder_start_token_id").and_then(Value::as_u64));
    let begin = match begin.and_then(|id| TokenId::try_from(id).ok()) {
        Some(id) => id,
        None => {
            let ids: Map<String, Value> =
                serde_json::from_str(&files::read_text(&of_targets)?).map_err(TokenizerError::json(&of_targets))?;
            let pad = ids.get("<pad>").and_then(Value::as_u64).and_then(|id| TokenId::try_from(id).ok());
            pad.ok_or_else(|| {
                TokenizerError::invalid(&of_targets)("it has no <pad>, which translations begin with".to_owned())
            })?
        }
    };
    let marian = match separate {
        false => Marian::from_files(&source, &target, &vocab, begin)?,
        true => Marian::with_vocabularies([&source, &vocab], [&target, &of_targets], begin)?,
    };
    if separate {
        // transformers saves added tokens with the ids that sources have.
        let ids: Map<String, Value> =
            serde_json::from_str(&files::read_text(&vocab)?).map_err(TokenizerError::json(&vocab))?;
        settings.added.retain(|token| ids.get(&token.content) != Some(&json!(token.id)));
    }
    // The beginning of translations is not a role that the settings name.
    settings.names.remove("bos_token");
    with_end(settings, Box::new(marian))
}
