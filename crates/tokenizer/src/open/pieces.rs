//! SentencePiece models whose ids and whose text the class of transformers arranges in another way.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::classes::{enclosed, from_value, need, with_settings};
use super::settings::Settings;
use super::{Frame, Opened, languages};
use crate::error::TokenizerError;
use crate::sentencepiece::{Algorithm, PieceKind, SentencePiece, SentencePieceFile};
use crate::tokenizer::Tokenizer;
use crate::unigram_json::encode_base64;

/// By the class; `None` if it is not known here.
///
/// transformers 5 takes the pieces alone from a model, and segments by code of its own: white space of every kind ends a
/// word, and names of control pieces are pieces.
pub(super) fn open(settings: &mut Settings, class: &str) -> Result<Option<Opened>, TokenizerError> {
    if ["LlamaTokenizer", "GemmaTokenizer", "NllbTokenizer"].contains(&class) {
        return bpe(settings, class).map(Some);
    }
    let (name, arrange, encloses): (_, Arrange, _) = match class {
        "AlbertTokenizer" if settings.folder.join("spiece.model").is_file() => ("spiece.model", albert, true),
        "XLMRobertaTokenizer" => ("sentencepiece.bpe.model", xlm_roberta, true),
        "CamembertTokenizer" => ("sentencepiece.bpe.model", camembert, true),
        "MBartTokenizer" => ("sentencepiece.bpe.model", mbart, false),
        "MBart50Tokenizer" => ("sentencepiece.bpe.model", mbart_50, false),
        "T5Tokenizer" | "MT5Tokenizer" => ("spiece.model", t5, false),
        "PegasusTokenizer" => ("spiece.model", pegasus, false),
        _ => return Ok(None),
    };
    let [path] = need(settings, [name])?;
    let file = SentencePiece::from_model(&path)?.file;
    if file.algorithm != Algorithm::Unigram {
        return Err(settings.unsupported(format!("{name} is a BPE model, and {class} has Unigram models")));
    }
    for (piece, _, kind) in &file.pieces {
        match kind {
            PieceKind::Control => settings.name_piece(piece, true),
            PieceKind::UserDefined => settings.name_piece(piece, false),
            _ => {}
        }
    }
    if file.pieces.iter().any(|&(_, _, kind)| kind == PieceKind::UserDefined) {
        settings.notes.push(format!(
            "user-defined pieces of {name} are looked for before others, as sentencepiece does; transformers 5.25 takes them \
             for usual ones"
        ));
    }
    let Vocabulary { entries, unk } =
        arrange(settings, &file).map_err(|problem| settings.unsupported(format!("{name}: {problem}")))?;
    let scheme = match settings.flag("add_prefix_space") {
        Some(false) if encloses => "never",
        _ => "always",
    };
    let words = json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": true});
    let charsmap = &file.normalizer.charsmap;
    let precompiled =
        (!charsmap.is_empty()).then(|| json!({"type": "Precompiled", "precompiled_charsmap": encode_base64(charsmap)}));
    let replace = |pattern: &str, by: &str| json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": by});
    let split = json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, words]});
    let (normalizer, pre_tokenizer) = match class {
        "PegasusTokenizer" => {
            let parts = [precompiled.unwrap_or_else(|| replace("\n", " ")), replace(" {2,}", " ")];
            (json!({"type": "Sequence", "normalizers": parts}), words.clone())
        }
        "MBartTokenizer" | "MBart50Tokenizer" => {
            let is_of_50 = class == "MBart50Tokenizer";
            let strip = json!({"type": "Strip", "strip_left": false, "strip_right": true});
            let spaces = replace(" {2,}", if is_of_50 { " " } else { "\u{2581}" });
            let parts: Vec<_> = precompiled.into_iter().chain([strip, spaces]).collect();
            (json!({"type": "Sequence", "normalizers": parts}), if is_of_50 { words.clone() } else { split })
        }
        "AlbertTokenizer" => {
            let quotes =
                ["``", "''"].map(|two| json!({"type": "Replace", "pattern": {"String": two}, "content": "\""}));
            let accents = (settings.flag("keep_accents") != Some(true)).then_some(["NFKD", "StripAccents"]);
            let lowercase = (settings.flag("do_lower_case") != Some(false)).then_some("Lowercase");
            let plain = accents.into_iter().flatten().chain(lowercase).map(|kind| json!({ "type": kind }));
            let parts: Vec<_> = quotes.into_iter().chain(plain).chain(precompiled).collect();
            (json!({"type": "Sequence", "normalizers": parts}), split)
        }
        _ => (json!(precompiled), split),
    };
    let value = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": words,
        "model": {"type": "Unigram", "unk_id": unk, "vocab": entries, "byte_fallback": false},
    });
    let is_albert = class == "AlbertTokenizer";
    let frame = move |tokenizer: &dyn Tokenizer| {
        if is_albert {
            return enclosed(tokenizer, 1);
        }
        let specials = tokenizer.specials();
        let end = specials.eos?;
        let before = if encloses { vec![specials.bos?] } else { Vec::new() };
        Some(Frame { before, after: vec![end], between: encloses.then(|| vec![end; 2]) })
    };
    from_value(settings, &path, value, frame).map(Some)
}

/// A model that merges pieces, by a class that takes the merges from the order of the pieces.
///
/// Source: `generate_merges`, `LlamaTokenizer`, `GemmaTokenizer` and `NllbTokenizer` of transformers 5.
fn bpe(settings: &mut Settings, class: &str) -> Result<Opened, TokenizerError> {
    let is_nllb = class == "NllbTokenizer";
    let name = if is_nllb { "sentencepiece.bpe.model" } else { "tokenizer.model" };
    let [path] = need(settings, [name])?;
    let file = SentencePiece::from_model(&path)?.file;
    if file.algorithm != Algorithm::Bpe {
        return Err(settings.unsupported(format!("{name} is a Unigram model, and {class} has BPE models")));
    }
    let mut ids = Map::new();
    let usual: &[(&str, &str)] = match class {
        "LlamaTokenizer" => &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")],
        "GemmaTokenizer" => &[
            ("unk_token", "<unk>"),
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
        _ => {
            // fairseq's order.
            for (role, usual) in
                [("bos_token", "<s>"), ("pad_token", "<pad>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]
            {
                ids.insert(settings.name_of(role, usual), json!(ids.len()));
            }
            &[]
        }
    };
    for (at, (piece, ..)) in file.pieces.iter().enumerate() {
        match is_nllb {
            true if ids.contains_key(piece) => {}
            true => drop(ids.insert(piece.clone(), json!(ids.len()))),
            false => drop(ids.insert(piece.clone(), json!(at))),
        }
    }
    // A token with a role is special, whatever the model says of its piece.
    for &(role, usual) in usual {
        let name = settings.name_of(role, usual);
        if ids.contains_key(&name) {
            settings.name_special(&name);
            settings.names.insert(role.to_owned(), name);
        }
    }
    for (piece, _, kind) in &file.pieces {
        match kind {
            PieceKind::Control => settings.name_piece(piece, true),
            PieceKind::UserDefined => settings.name_piece(piece, false),
            _ => {}
        }
    }
    let known: HashSet<&str> = file.pieces.iter().map(|(piece, ..)| piece.as_str()).collect();
    let halves = |piece: &str| -> Vec<Value> {
        let halves = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
        halves.filter(|(left, right)| known.contains(left) && known.contains(right)).map(|pair| json!(pair)).collect()
    };
    let merges: Vec<Value> = file.pieces.iter().flat_map(|(piece, ..)| halves(piece)).collect();
    let prefix = settings.flag("add_prefix_space") != Some(false);
    let space = json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "});
    let words = |scheme: &str, split: bool| json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": split});
    let bytes = |more: Option<Value>| {
        let parts = [space.clone(), json!({"type": "ByteFallback"}), json!({"type": "Fuse"})].into_iter().chain(more);
        json!({"type": "Sequence", "decoders": parts.collect::<Vec<_>>()})
    };
    let [normalizer, pre_tokenizer, decoder] = match class {
        "LlamaTokenizer" => {
            let scheme = match settings.flag("legacy") {
                _ if !prefix => "never",
                Some(true) => "always",
                _ => "first",
            };
            let strip = prefix.then(|| json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
            [Value::Null, words(scheme, false), bytes(strip)]
        }
        "GemmaTokenizer" => [
            json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}),
            json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false}),
            bytes(None),
        ],
        _ => [nllb_normalizer(&file), words("always", true), words("always", true)],
    };
    let is_of_other = settings.model.get("model_type").is_some_and(|kind| kind != "llama");
    if class == "LlamaTokenizer" && (is_of_other || !settings.config.contains_key("tokenizer_class")) {
        settings.notes.push(format!(
            "{name} is read as {class} and sentencepiece do, with a space before a text; not so is the way \
             with which transformers 5 reads it"
        ));
    }
    let unk = (class != "LlamaTokenizer").then(|| settings.name_of("unk_token", "<unk>"));
    let value = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": decoder,
        "model": {"type": "BPE", "vocab": ids, "merges": merges, "unk_token": unk, "fuse_unk": true, "byte_fallback": !is_nllb},
    });
    let [begins, ends] = ["add_bos_token", "add_eos_token"].map(|key| settings.flag(key) == Some(true));
    from_value(settings, &path, value, move |tokenizer| {
        let specials = tokenizer.specials();
        Some(Frame {
            before: specials.bos.filter(|_| begins && !is_nllb).into_iter().collect(),
            after: specials.eos.filter(|_| ends || is_nllb).into_iter().collect(),
            between: None,
        })
    })
}

fn nllb_normalizer(file: &SentencePieceFile) -> Value {
    let charsmap = &file.normalizer.charsmap;
    match charsmap.is_empty() {
        true => Value::Null,
        false => json!({"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": encode_base64(charsmap)},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}),
    }
}

/// A model in a folder that names no class.
pub(super) fn without_class(settings: &mut Settings, path: &Path) -> Result<Opened, TokenizerError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if settings.folder.join("vocab.json").is_file() {
        let problem =
            format!("vocab.json gives the pieces of {name} ids of its own; give tokenizer.json, or the class");
        return Err(settings.unsupported(problem));
    }
    if name == "sentencepiece.bpe.model" {
        let problem = format!(
            "the classes with a {name} count its pieces in different ways: say tokenizer_class in \
             tokenizer_config.json, or model_type in config.json"
        );
        return Err(settings.unsupported(problem));
    }
    settings.notes.push(format!("nothing says the class of the tokenizer; ids are those of {name}"));
    with_settings(settings, Box::new(SentencePiece::from_model(path)?), |_| None)
}

/// Pieces with their scores in the order of a class, and the id of what is unknown.
struct Vocabulary {
    entries: Vec<(String, f64)>,
    unk: usize,
}

type Arrange = fn(&mut Settings, &SentencePieceFile) -> Result<Vocabulary, String>;

/// `head` in the place of the first `n` pieces, which must be special ones.
fn arranged(file: &SentencePieceFile, head: Vec<(String, f64)>, n: usize, unk: usize) -> Result<Vocabulary, String> {
    let is_special = |kind: PieceKind| matches!(kind, PieceKind::Control | PieceKind::Unknown);
    if file.pieces.len() < n || !file.pieces[..n].iter().all(|&(_, _, kind)| is_special(kind)) {
        return Err(format!("its first {n} pieces are not special tokens, as the class expects"));
    }
    let rest = file.pieces[n..].iter().map(|(piece, score, _)| (piece.clone(), f64::from(*score)));
    Ok(Vocabulary { entries: head.into_iter().chain(rest).collect(), unk })
}

/// fairseq's order, which is one ahead of the model's.
fn xlm_roberta(settings: &mut Settings, file: &SentencePieceFile) -> Result<Vocabulary, String> {
    let name = |role: &str, usual: &str| (settings.name_of(role, usual), 0.0);
    let head = vec![
        name("bos_token", "<s>"),
        name("pad_token", "<pad>"),
        name("eos_token", "</s>"),
        name("unk_token", "<unk>"),
    ];
    let mut vocabulary = arranged(file, head, 3, 3)?;
    vocabulary.entries.push(name("mask_token", "<mask>"));
    Ok(vocabulary)
}

/// As XLM-RoBERTa's, with languages before the mask.
fn mbart(settings: &mut Settings, file: &SentencePieceFile) -> Result<Vocabulary, String> {
    with_languages(settings, file, languages::MBART.split_whitespace())
}

fn mbart_50(settings: &mut Settings, file: &SentencePieceFile) -> Result<Vocabulary, String> {
    let languages = languages::MBART.split_whitespace().chain(languages::MORE_OF_MBART_50.split_whitespace());
    with_languages(settings, file, languages)
}

fn with_languages<'a>(
    settings: &mut Settings,
    file: &SentencePieceFile,
    languages: impl Iterator<Item = &'a str>,
) -> Result<Vocabulary, String> {
    let mut vocabulary = xlm_roberta(settings, file)?;
    let mask = vocabulary.entries.len() - 1;
    for language in languages {
        settings.name_piece(language, true);
        vocabulary.entries.push((language.to_owned(), 0.0));
    }
    vocabulary.entries[mask..].rotate_left(1);
    Ok(vocabulary)
}

fn camembert(settings: &mut Settings, file: &SentencePieceFile) -> Result<Vocabulary, String> {
    let name = |role: &str, usual: &str| (settings.name_of(role, usual), 0.0);
    let head = vec![
        ("<s>NOTUSED".to_owned(), 0.0),
        name("pad_token", "<pad>"),
        ("</s>NOTUSED".to_owned(), 0.0),
        name("unk_token", "<unk>"),
        ("<unk>NOTUSED".to_owned(), -100.0),
    ];
    let mut vocabulary = arranged(file, head, 1, 3)?;
    vocabulary.entries.push(name("mask_token", "<mask>"));
    Ok(vocabulary)
}

fn t5(settings: &mut Settings, file: &SentencePieceFile) -> Result<Vocabulary, String> {
    let n = settings.n_sentinels()?;
    if !matches!(file.pieces.get(2), Some((_, _, PieceKind::Unknown))) {
        return Err("its third piece is not <unk>, as T5's is".to_owned());
    }
    let mut vocabulary = arranged(file, Vec::new(), 0, 2)?;
    for name in (0..n).rev().map(|index| format!("<extra_id_{index}>")) {
        settings.name_piece(&name, true);
        vocabulary.entries.push((name, 0.0));
    }
    Ok(vocabulary)
}

/// The pieces as they are, among which are BERT's special tokens.
fn albert(settings: &mut Settings, file: &SentencePieceFile) -> Result<Vocabulary, String> {
    let Some((1, (unk, ..))) = file.pieces.iter().enumerate().find(|(_, (_, _, kind))| *kind == PieceKind::Unknown)
    else {
        return Err("its second piece is not what is unknown, as ALBERT's is".to_owned());
    };
    settings.name_special(unk);
    for (role, usual) in [
        ("bos_token", "[CLS]"),
        ("eos_token", "[SEP]"),
        ("sep_token", "[SEP]"),
        ("cls_token", "[CLS]"),
        ("pad_token", "<pad>"),
        ("unk_token", "<unk>"),
        ("mask_token", "[MASK]"),
    ] {
        let name = settings.name_of(role, usual);
        settings.names.insert(role.to_owned(), name);
    }
    arranged(file, Vec::new(), 0, 1)
}

/// Masks and names without use between the first two pieces and the others.
fn pegasus(settings: &mut Settings, file: &SentencePieceFile) -> Result<Vocabulary, String> {
    let offset = settings.config.get("offset").and_then(Value::as_u64).unwrap_or(103);
    if offset != 103 {
        return Err(format!("offset is {offset}, and 103 is read"));
    }
    let first: Vec<_> = file.pieces.iter().take(3).map(|(piece, ..)| piece.as_str()).collect();
    if first != ["<pad>", "</s>", "<unk>"] {
        return Err("its first pieces are not <pad>, </s> and <unk>, as Pegasus's are".to_owned());
    }
    let named = ["<pad>", "</s>", "<mask_1>", "<mask_2>"].map(|name| (name.to_owned(), 0.0)).into_iter();
    let head: Vec<_> = named.chain((2..offset).map(|n| (format!("<unk_{n}>"), -100.0))).collect();
    head.iter().for_each(|(name, _)| settings.name_piece(name, true));
    arranged(file, head, 2, 105)
}
