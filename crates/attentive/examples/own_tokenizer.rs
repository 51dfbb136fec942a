//! A tokenizer of your own, the bases of DNA, under a language model: `cargo run --release --example own_tokenizer`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{borrow::Cow, ops::Range, sync::Arc};

use attentive::tokenizer::{Specials, UnknownId};
use attentive::{model::GptConfig, prelude::*};

/// `A`, `C`, `G`, `T`, and `N` for all else.
struct Bases(Specials);

const BASES: &str = "ACGTN";

impl Tokenizer for Bases {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.encode_with_offsets(text).into_iter().map(|(id, _)| id).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let id = |c: char| BASES.find(c.to_ascii_uppercase()).unwrap_or(BASES.len() - 1) as TokenId;
        text.char_indices().map(|(at, c)| (id(c), at..at + c.len_utf8())).collect()
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let byte = |&id: &TokenId| BASES.as_bytes().get(id as usize).copied();
        ids.iter().map(|id| byte(id).ok_or(UnknownId { id: *id, vocab_size: BASES.len() })).collect()
    }

    fn vocab_size(&self) -> usize {
        BASES.len()
    }

    fn specials(&self) -> &Specials {
        &self.0
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        BASES.get(id as usize..=id as usize).map(Cow::Borrowed)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tokenizer = Bases(Specials::default());
    println!("{:?} {}", tokenizer.encode("gattaca?"), tokenizer.decode(&tokenizer.encode("gattaca?"))?);
    let model = GptConfig::gpt2_like(tokenizer.vocab_size(), 64, [1, 2, 16]).init(&BackendKind::Flex.device()?, 1)?;
    let generator = Generator::new(model, Arc::new(tokenizer));
    let score = generator.score("GATTACA", true)?;
    println!("{:.2} nats a base before training", -score.log_prob / score.n_tokens as f64);
    Ok(())
}
