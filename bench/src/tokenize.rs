//! Learning vocabularies from a text, and encoding it line by line.

use std::{fmt::Write, fs, path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use attentive_corpus::BuiltinConfig;
use attentive_tokenizer::{ByteLevelBpeTrainer, TokenId, Tokenizer, UnigramTrainer, WordPieceTrainer};
use rayon::prelude::*;
use serde_json::{Map, json};

use crate::worker;

/// Entries of each vocabulary, at most.
const VOCAB_SIZE: usize = 8_000;
const TEXT: &str = "text.txt";

/// A tokenizer to learn and to run, and its peers.
pub(crate) struct Kind {
    pub name: &'static str,
    pub peers: &'static [&'static str],
    train: fn(&[&str]) -> Result<Box<dyn Tokenizer>>,
    /// Writes the input of the peers.
    export: fn(&dyn Tokenizer, &Path) -> Result<()>,
}

pub(crate) const KINDS: [Kind; 3] = [
    Kind {
        name: "byte-level-bpe",
        peers: &["tokenizers", "tiktoken"],
        train: |lines| Ok(Box::new(ByteLevelBpeTrainer::with_vocab_size(VOCAB_SIZE).min_frequency(2).train(lines)?)),
        export: export_byte_level,
    },
    Kind {
        name: "wordpiece",
        peers: &["tokenizers"],
        train: |lines| {
            Ok(Box::new(WordPieceTrainer::with_vocab_size(VOCAB_SIZE).min_frequency(2).lowercase(false).train(lines)?))
        },
        export: export_wordpiece,
    },
    Kind {
        name: "unigram",
        peers: &["sentencepiece"],
        train: |lines| Ok(Box::new(UnigramTrainer::with_vocab_size(VOCAB_SIZE).train(lines)?)),
        export: export_sentencepiece,
    },
];

impl Kind {
    fn named(name: &str) -> Result<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name).with_context(|| format!("there is no tokenizer {name} here"))
    }
}

/// Writes the text, and each vocabulary learnt from it, for both sides.
pub(crate) fn prepare(folder: &Path, text: Option<&Path>) -> Result<()> {
    let text = match text {
        Some(path) => fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?,
        None => {
            let pairs = BuiltinConfig::default().generate().train;
            pairs
                .iter()
                .flat_map(|pair| [&pair.source, &pair.target])
                .fold(String::new(), |text, line| text + line + "\n")
        }
    };
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    write(&folder.join(TEXT), lines.join("\n").as_bytes())?;
    for kind in &KINDS {
        let tokenizer = (kind.train)(&lines)?;
        let folder = folder.join(kind.name);
        fs::create_dir_all(&folder)?;
        attentive_tokenizer::save(&*tokenizer, &folder.join("tokenizer.json"))?;
        (kind.export)(&*tokenizer, &folder)?;
    }
    Ok(())
}

pub(crate) fn run(task: &str, name: &str, folder: &Path) -> Result<()> {
    let kind = Kind::named(name)?;
    let text = fs::read_to_string(folder.join(TEXT))?;
    let lines: Vec<&str> = text.lines().collect();
    match task {
        "learn" => rounds(text.len(), || Ok(json!({ "entries": (kind.train)(&lines)?.vocab_size() }))),
        "encode" => {
            let tokenizer = attentive_tokenizer::load(&folder.join(name).join("tokenizer.json"))?;
            let encode = || -> Vec<_> { lines.par_iter().map(|line| tokenizer.encode(line)).collect() };
            let known = digest(&encode());
            rounds(text.len(), || {
                encode();
                Ok(json!({ "digest": known }))
            })
        }
        _ => bail!("tokenizers learn and encode; {task} is neither"),
    }
}

/// Runs rounds over a text of so many bytes.
fn rounds(bytes: usize, mut round: impl FnMut() -> Result<serde_json::Value>) -> Result<()> {
    worker::ready(&json!({}));
    while worker::wait() {
        let started = Instant::now();
        let more = round()?;
        worker::report(started.elapsed().as_secs_f64(), bytes as f64, &more);
    }
    Ok(())
}

/// Checksum of ids and their places, by which two sides are compared: `Σ (line + 1)(place + 1) id`, modulo 2⁶⁴, cut to
/// the digits that JSON's numbers keep.
fn digest(ids: &[Vec<TokenId>]) -> u64 {
    let sum =
        ids.iter().zip(1_u64..).flat_map(|(ids, line)| ids.iter().zip(1_u64..).map(move |(&id, at)| (line, at, id)));
    sum.fold(0_u64, |sum, (line, at, id)| sum.wrapping_add(line.wrapping_mul(at).wrapping_mul(id.into()))) >> 12
}

fn entries(tokenizer: &dyn Tokenizer) -> impl Iterator<Item = String> {
    (0..tokenizer.vocab_size() as TokenId).map(|id| tokenizer.token(id).unwrap_or_default().into_owned())
}

/// GPT-2's two files.
fn export_byte_level(tokenizer: &dyn Tokenizer, folder: &Path) -> Result<()> {
    let vocab: Map<_, _> = entries(tokenizer).enumerate().map(|(id, token)| (token, id.into())).collect();
    let merges = tokenizer.to_model().and_then(|model| model.byte_level_merges()).context("no merges")?;
    write(&folder.join("vocab.json"), json!(vocab).to_string().as_bytes())?;
    write(&folder.join("merges.txt"), merges.as_bytes())
}

/// BERT's `vocab.txt`.
fn export_wordpiece(tokenizer: &dyn Tokenizer, folder: &Path) -> Result<()> {
    let mut vocab = String::new();
    for token in entries(tokenizer) {
        writeln!(vocab, "{token}")?;
    }
    write(&folder.join("vocab.txt"), vocab.as_bytes())
}

/// SentencePiece's `.model`.
fn export_sentencepiece(tokenizer: &dyn Tokenizer, folder: &Path) -> Result<()> {
    let [model, _] = tokenizer.to_model().and_then(|model| model.sentencepiece_models()).context("no pieces")?;
    write(&folder.join("spiece.model"), &model)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}
