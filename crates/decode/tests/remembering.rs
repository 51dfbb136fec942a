//! A model that remembers, against the model within.

use std::{cell::Cell, ops::ControlFlow};

use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Want};
use attentive_decode::{Drawn, Ended, GenerateRequest, Remembering, Rules, SamplingConfig, generate};
use proptest::prelude::*;

use crate::models::{Hashed, Model};

const VOCAB: usize = 7;

/// Counts the tokens that it reads, and drops the end of what it has read without reading anything.
struct Counted {
    model: Model<Hashed>,
    n_read: Cell<usize>,
}

impl Counted {
    fn new(max_len: Option<usize>) -> Self {
        let scores = Hashed { vocab_size: VOCAB, seed: 8, sharpness: 2.0, eos: 2 };
        Self { model: Model { max_len, is_even: false, ..Model::new(scores) }, n_read: Cell::default() }
    }
}

impl NextToken for Counted {
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        VOCAB
    }

    fn max_len(&self) -> Option<usize> {
        self.model.max_len
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Scores, DeviceError> {
        self.n_read.set(self.n_read.get() + tokens.len());
        self.model.advance(tokens, state, want)
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        self.model.reorder(state, parents);
    }
}

impl LanguageModel for Counted {
    fn start(&self, n_rows: usize) -> Self::State {
        self.model.start(n_rows)
    }

    fn rewind(&self, state: &mut Self::State, text: &[TokenId]) -> Result<(), DeviceError> {
        assert!(state[0].starts_with(text), "what it has read begins otherwise");
        state[0].truncate(text.len());
        Ok(())
    }
}

/// The texts after a prompt, with the log-probabilities of their tokens, and why each ended.
fn written(
    model: &impl LanguageModel,
    prompt: &[TokenId],
    [n_samples, max_tokens]: [usize; 2],
) -> (Vec<Vec<(TokenId, f64)>>, Vec<Ended>) {
    let (prompts, rules) = ([prompt.to_vec()], Rules::default());
    let request = GenerateRequest { prompts: &prompts, n_samples, max_tokens, ends: &[2], rules: &rules };
    let mut texts = vec![Vec::new(); n_samples];
    let config = SamplingConfig { seed: 5, ..SamplingConfig::default() };
    let ended = generate(model, &request, &config, |Drawn { text, token, log_prob }| {
        texts[text].push((token, log_prob));
        ControlFlow::Continue(())
    });
    (texts, ended.unwrap())
}

#[test]
fn a_turn_reads_what_is_new() {
    let model = Remembering::new(Counted::new(None));
    let mut prompt = vec![0, 1, 3];
    let mut n_known = 0;
    for turn in 0..4 {
        let before = model.within().n_read.get();
        let (texts, ended) = written(&model, &prompt, [1, 6]);
        let n_read = model.within().n_read.get() - before;
        // The last token of a text that is cut is written, and not yet read.
        let n_unread = usize::from(ended[0] == Ended::ByLength);
        assert_eq!(n_read, prompt.len() - n_known + texts[0].len() - n_unread, "turn {turn}");
        n_known = prompt.len() + texts[0].len() - n_unread;
        prompt.extend(texts[0].iter().map(|(token, _)| token));
        prompt.extend([4, 5]);
    }
}

proptest! {
    #[test]
    fn texts_are_those_of_the_model_within(
        turns in prop::collection::vec((0_usize..12, prop::collection::vec(0..VOCAB as TokenId, 1..5), 1_usize..3), 1..6),
        max_len in prop::option::of(6_usize..20),
    ) {
        let (model, remembering) = (Counted::new(max_len), Remembering::new(Counted::new(max_len)));
        let mut prompt = Vec::new();
        for (kept, new, n_samples) in turns {
            prompt.truncate(kept);
            prompt.extend(new);
            let expected = written(&model, &prompt, [n_samples, 5]);
            let found = written(&remembering, &prompt, [n_samples, 5]);
            prop_assert_eq!(&found, &expected);
            prompt.extend(found.0[0].iter().map(|(token, _)| token));
        }
        prop_assert!(remembering.within().n_read.get() <= model.n_read.get());
    }
}
