//! Continuing random prompts greedily to a forced length, by the model that `attentive generate` runs.

use std::{ops::ControlFlow, path::Path, time::Instant};

use anyhow::Result;
use attentive_backend::BackendKind;
use attentive_bundle::Bundle;
use attentive_core::{NextToken, TokenId, mix64};
use attentive_decode::{GenerateRequest, Rules, SamplingConfig, generate};
use serde_json::json;

use crate::worker;

/// The models that generate.
pub(crate) const MODELS: [&str; 2] = ["gpt2", "smollm2"];
/// Prompts that are continued together, at most.
const MAX_BATCH: usize = 8;
/// Tokens of a prompt.
const PROMPT_LEN: usize = 64;
/// Tokens of each continuation.
pub(crate) const LEN: usize = 128;

/// Random tokens, without the last entry, which ends a text.
pub(crate) fn prompts(vocab: usize) -> Vec<Vec<TokenId>> {
    let token = |at: usize| (mix64((9 << 40) + at as u64) % (vocab as u64 - 1)) as TokenId;
    (0..MAX_BATCH).map(|row| (0..PROMPT_LEN).map(|col| token(row * PROMPT_LEN + col)).collect()).collect()
}

pub(crate) fn run(folder: &Path, precision: &str, batch: usize) -> Result<()> {
    let bundle = Bundle::open(folder.join(precision))?;
    let model = bundle.text_model(&BackendKind::Flex.device()?, None)?;
    drop(bundle);
    let vocab = model.vocab_size();
    let mut prompts = prompts(vocab);
    prompts.truncate(batch);
    let rules = Rules { suppressed: vec![vocab as TokenId - 1], ..Rules::default() };
    let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens: LEN, ends: &[], rules: &rules };
    let most_probable = SamplingConfig { temperature: 0.0, ..SamplingConfig::default() };
    worker::ready(&json!({ "precision": precision }));
    while worker::wait() {
        let mut texts = vec![Vec::with_capacity(LEN); batch];
        let mut first = None;
        let started = Instant::now();
        generate(&model, &request, &most_probable, |drawn| {
            first.get_or_insert_with(|| started.elapsed().as_secs_f64());
            texts[drawn.text].push(drawn.token);
            ControlFlow::Continue(())
        })?;
        let seconds = started.elapsed().as_secs_f64();
        worker::report(seconds, (batch * LEN) as f64, &json!({ "first_seconds": first, "targets": texts }));
    }
    Ok(())
}
