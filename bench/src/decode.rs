//! Decoding random sentences to a forced length, by the engine that `attentive translate` runs.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context, Result};
use attentive_backend::BackendKind;
use attentive_core::{EncoderDecoder, TokenId, TokenMatrix, mix64};
use attentive_decode::{BeamConfig, DecodeRequest, Rules, beam_search, greedy};
use attentive_engine::{CpuTransformer, WeightFormat};
use attentive_model::ModelSpec;
use serde_json::json;

use crate::{worker, workload::translation};

pub(crate) const SENTENCES: usize = 64;
const SOURCE_LEN: usize = 24;
/// Tokens of each translation.
pub(crate) const LEN: usize = 32;
const BOS: TokenId = 1;
const EOS: TokenId = 2;

/// Writes the weights and sources of a workload, for the peer.
pub(crate) fn export(name: &str, folder: &Path) -> Result<()> {
    let config = translation(name)?;
    let model = config.init(&BackendKind::Flex.device()?, 1)?;
    let path = folder.join("model.safetensors");
    attentive_weights::write(&path, &attentive_weights::params(&model), &Default::default())?;
    let path = folder.join("sources.json");
    fs::write(&path, json!(sources(config.source_vocab_size)).to_string())
        .with_context(|| format!("can't write {}", path.display()))
}

/// Random tokens without special ones, and the end of the sentence.
fn sources(vocab: usize) -> Vec<Vec<TokenId>> {
    let token = |at: usize| 3 + (mix64((3 << 40) + at as u64) % (vocab as u64 - 3)) as TokenId;
    let source = |row: usize| (0..SOURCE_LEN - 1).map(|col| token(row * SOURCE_LEN + col)).chain([EOS]).collect();
    (0..SENTENCES).map(source).collect()
}

pub(crate) fn run(name: &str, precision: &str, beam: usize, batch: usize) -> Result<()> {
    let config = translation(name)?;
    let device = BackendKind::Flex.device()?;
    let precision: WeightFormat = precision.parse().map_err(anyhow::Error::msg)?;
    let engine = {
        let model = config.init(&device, 1)?;
        CpuTransformer::new(&config, &attentive_weights::params(&model), precision)?
    };
    let sources = sources(config.source_vocab_size);
    let rules = Rules { min_len: LEN, ..Rules::default() };
    worker::ready(&json!({ "precision": precision.to_string() }));
    while worker::wait() {
        let started = Instant::now();
        let mut targets = Vec::with_capacity(SENTENCES);
        for rows in sources.chunks(batch) {
            let max_len = vec![LEN; rows.len()];
            let prompt = vec![BOS; rows.len()];
            let request = DecodeRequest { prompt: &prompt, prefixes: &[], eos: EOS, rules: &rules, max_len: &max_len };
            let state = engine.start(&TokenMatrix::from_rows(rows, 0, 0));
            if beam == 1 {
                targets.extend(greedy(&engine, state, &request)?.into_iter().map(|best| best.tokens));
            } else {
                let config = BeamConfig { beam, n_best: 1, length_penalty: 0.0 };
                let found = beam_search(&engine, state, &request, &config)?;
                targets.extend(found.into_iter().map(|mut best| best.swap_remove(0).tokens));
            }
        }
        let n_tokens: usize = targets.iter().map(Vec::len).sum();
        worker::report(started.elapsed().as_secs_f64(), n_tokens as f64, &json!({ "targets": targets }));
    }
    Ok(())
}
