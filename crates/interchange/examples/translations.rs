//! What a model computes for the lines of standard input, as JSON: what `tests/check_exports.py` compares with.
//!
//! ```sh
//! cargo run --release --package attentive-interchange --example translations -- runs/latest < text
//! ```
#![allow(clippy::print_stdout, reason = "a program of its own")]

use std::io::{self, BufRead};

use attentive_attention::Mask;
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, Translation, Translator};
use attentive_model::TransformerConfig;
use attentive_tokenizer::{Frame, PairFrame};
use burn::tensor::{Int, Tensor, activation::log_softmax};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a model's folder")?;
    let device = BackendKind::Flex.device()?;
    let bundle = Bundle::read(folder)?;
    let model = bundle.model::<TransformerConfig>(&device)?;
    let greedy = DecodingConfig { beam: 1, ..bundle.decoding.clone() };
    let eos = bundle.tokenizer()?.specials().end().ok_or("no </s>")?;
    let PairFrame { source: Frame { before, after, .. }, begin, .. } = bundle.tokenizer()?.pair_frame(None, None)?;
    let translator = Translator::from_bundle(&bundle, &device, None)?;
    let ids = |ids: &[u32]| {
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        Tensor::<1, Int>::from_ints(ids.as_slice(), &device).unsqueeze::<2>()
    };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let source = [&before, &translator.tokenizer().encode(&line), &after].map(Vec::as_slice).concat();
        let Translation { text, tokens, log_prob, .. } = &translator.translate(&[&line], &greedy)?[0];
        let memory = model.encode(ids(&source), &Mask::none(), None);
        let target = [&[begin], tokens.as_slice()].concat();
        let logits = model.logits(model.decode(ids(&target), &memory, &Mask::none(), None));
        let wanted = ids(&[tokens.as_slice(), &[eos]].concat()).unsqueeze_dim(2);
        let log_probs: Vec<f32> = log_softmax(logits.clone(), 2).gather(2, wanted).into_data().try_into_vec()?;
        let last: Vec<f32> = logits.narrow(1, target.len() - 1, 1).into_data().try_into_vec()?;
        let (tokens_of, line) = (
            |ids: &[u32]| -> Vec<String> {
                ids.iter().map(|&id| translator.tokenizer().token(id).unwrap_or_default().into_owned()).collect()
            },
            line,
        );
        let result = json!({
            "line": line, "text": text, "log_prob": log_prob,
            "source": source, "source_tokens": tokens_of(&source),
            "target": tokens, "target_tokens": tokens_of(tokens),
            "log_probs": log_probs, "last_logits": last,
        });
        println!("{result}");
    }
    Ok(())
}
