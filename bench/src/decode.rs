//! Decoding random sentences to a forced length, by the model that `attentive translate` runs.

use std::{path::Path, time::Instant};

use anyhow::Result;
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, WeightFormat};
use attentive_core::{EncoderDecoder, TokenId, TokenMatrix, mix64};
use attentive_decode::{BeamConfig, DecodeRequest, Rules, beam_search, greedy};
use serde_json::json;

use crate::worker;

/// The models that decode.
pub(crate) const MODELS: [&str; 4] = ["small", "base", "t5", "opus-mt"];
const SENTENCES: usize = 64;
const SOURCE_LEN: usize = 24;
/// Tokens of each translation.
pub(crate) const LEN: usize = 32;

/// The tokens that frame translations: begin and end. T5's begin with padding, Marian's with the last entry.
fn frame(name: &str, vocab: usize) -> [TokenId; 2] {
    if name == "t5" { [0, 1] } else { [vocab as TokenId - 1, 0] }
}

/// Random tokens without special ones, and the end of the sentence.
pub(crate) fn sources(name: &str, vocab: usize) -> Vec<Vec<TokenId>> {
    let [_, end] = frame(name, vocab);
    let token = |at: usize| 3 + (mix64((3 << 40) + at as u64) % (vocab as u64 - 4)) as TokenId;
    let source = |row: usize| (0..SOURCE_LEN - 1).map(|col| token(row * SOURCE_LEN + col)).chain([end]).collect();
    (0..SENTENCES).map(source).collect()
}

pub(crate) fn run(name: &str, folder: &Path, precision: &str, beam: usize, batch: usize) -> Result<()> {
    let format: WeightFormat = precision.parse().map_err(anyhow::Error::msg)?;
    let bundle = Bundle::open(folder.join(precision))?;
    let vocab = bundle.model.vocab_size();
    let model = bundle.translation_model(&BackendKind::Flex.device()?, Some(format))?;
    drop(bundle);
    let sources = sources(name, vocab);
    let [begin, eos] = frame(name, vocab);
    // Marian's beginning is not an entry that may be written.
    let suppressed = if name == "t5" { Vec::new() } else { vec![begin] };
    let rules = Rules { min_len: LEN, suppressed, ..Rules::default() };
    worker::ready(&json!({ "precision": precision }));
    while worker::wait() {
        let started = Instant::now();
        let mut targets = Vec::with_capacity(SENTENCES);
        for rows in sources.chunks(batch) {
            let max_len = vec![LEN; rows.len()];
            let prompt = vec![begin; rows.len()];
            let request = DecodeRequest { prompt: &prompt, prefixes: &[], eos, rules: &rules, max_len: &max_len };
            let state = model.start(&TokenMatrix::from_rows(rows, 0, 0));
            if beam == 1 {
                targets.extend(greedy(&model, state, &request)?.into_iter().map(|best| best.tokens));
            } else {
                let config = BeamConfig { beam, n_best: 1, length_penalty: 0.0, ..BeamConfig::default() };
                let found = beam_search(&model, state, &request, &config)?;
                targets.extend(found.into_iter().map(|mut best| best.swap_remove(0).tokens));
            }
        }
        let n_tokens: usize = targets.iter().map(Vec::len).sum();
        worker::report(started.elapsed().as_secs_f64(), n_tokens as f64, &json!({ "targets": targets }));
    }
    Ok(())
}
