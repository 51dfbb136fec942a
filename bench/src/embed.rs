//! Vectors of random sentences, by the encoder that `attentive embed` runs.

use std::{path::Path, time::Instant};

use anyhow::Result;
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, EmbeddingConfig, Input, TextEncoder};
use attentive_core::{TokenId, mix64};
use serde_json::json;

use crate::{
    models::{BERT_SPECIALS, word},
    worker,
};

/// The models that encode.
pub(crate) const MODELS: [&str; 2] = ["minilm", "bert"];
const SENTENCES: usize = 256;
/// Tokens of a sentence, with its frame of two: at least, and at most.
const LENGTHS: [usize; 2] = [8, 64];
const VOCAB: u64 = 30_522;
const CLS: TokenId = 2;
const SEP: TokenId = 3;

/// The words of each sentence.
fn sentences() -> Vec<Vec<TokenId>> {
    let [shortest, longest] = LENGTHS;
    let n_specials = BERT_SPECIALS.len() as u64;
    let len = |row: usize| shortest - 2 + (mix64((5 << 40) + row as u64) % (longest - shortest + 1) as u64) as usize;
    let id = |at: usize| (n_specials + mix64((7 << 40) + at as u64) % (VOCAB - n_specials)) as TokenId;
    (0..SENTENCES).map(|row| (0..len(row)).map(|col| id(row * longest + col)).collect()).collect()
}

/// What the peers read: each sentence within its frame.
pub(crate) fn rows() -> Vec<Vec<TokenId>> {
    sentences().into_iter().map(|words| [&[CLS][..], &words, &[SEP]].concat()).collect()
}

pub(crate) fn run(folder: &Path, precision: &str) -> Result<()> {
    let bundle = Bundle::open(folder.join(precision))?;
    let encoder = TextEncoder::from_bundle(&bundle, &BackendKind::Flex.device()?, None)?;
    drop(bundle);
    let texts: Vec<String> =
        sentences().iter().map(|ids| ids.iter().map(|&id| word(id)).collect::<Vec<_>>().join(" ")).collect();
    // The mean over all tokens, as sentence-transformers has it.
    let how = EmbeddingConfig { frame: true, ..EmbeddingConfig::default() };
    worker::ready(&json!({ "precision": precision }));
    while worker::wait() {
        let started = Instant::now();
        let inputs: Vec<Input<'_>> = texts.iter().map(Input::from).collect();
        let vectors = encoder.embed_all(&inputs, &how)?.into_iter().collect::<Result<Vec<_>, _>>()?;
        worker::report(started.elapsed().as_secs_f64(), SENTENCES as f64, &json!({ "vectors": vectors }));
    }
    Ok(())
}
