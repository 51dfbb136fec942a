//! Drafted texts against those without drafts. Their distribution is held against the exact one in `src/drafts/tests.rs`.

use std::ops::ControlFlow;

use attentive_core::{LanguageModel, TokenId};
use attentive_decode::{
    Acceptance, DraftSource, Drafts, Drawn, Ended, GenerateRequest, Rules, SamplingConfig, generate, generate_drafted,
};
use proptest::prelude::*;

use crate::models::{self, Hashed, Model};

const VOCAB: usize = 7;

fn model(seed: u64, max_len: Option<usize>) -> Model<Hashed> {
    Model {
        max_len,
        is_even: false,
        gives_top: seed.is_multiple_of(2),
        ..Model::new(Hashed { vocab_size: VOCAB, seed, sharpness: 4.0, eos: 2 })
    }
}

/// The tokens of each text with their log-probabilities, and how it ended; a text is ended after `patience` tokens.
type Texts = (Vec<Vec<(TokenId, f64)>>, Vec<Ended>);

fn collected<T>(
    n: usize,
    patience: usize,
    write: impl FnOnce(&mut dyn FnMut(Drawn) -> ControlFlow<()>) -> (Vec<Ended>, T),
) -> (Texts, T) {
    let mut texts = vec![Vec::new(); n];
    let (ended, more) = write(&mut |drawn: Drawn| {
        texts[drawn.text].push((drawn.token, drawn.log_prob));
        if texts[drawn.text].len() >= patience { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    ((texts, ended), more)
}

fn drafted<D: LanguageModel>(
    model: &Model<Hashed>,
    drafts: &Drafts<'_, D>,
    request: &GenerateRequest<'_>,
    config: &SamplingConfig,
    patience: usize,
) -> (Texts, Acceptance) {
    let n = request.prompts.len() * request.n_samples;
    collected(n, patience, |on_token| generate_drafted(model, drafts, request, config, on_token).unwrap())
}

fn plain(model: &Model<Hashed>, request: &GenerateRequest<'_>, config: &SamplingConfig, patience: usize) -> Texts {
    let n = request.prompts.len() * request.n_samples;
    collected(n, patience, |on_token| (generate(model, request, config, on_token).unwrap(), ())).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn greedy_texts_are_those_without_drafts(
        seed in any::<u64>(), other in any::<u64>(), is_same in any::<bool>(),
        prompts in prop::collection::vec(prop::collection::vec(0..VOCAB as TokenId, 1..9), 1..4),
        max_tokens in 0_usize..20, n_tokens in 1_usize..6, ngrams in prop::option::of(1_usize..4),
        max_len in prop::option::of(1_usize..12), draft_len in prop::option::of(1_usize..12),
        ends in prop::sample::subsequence(vec![2, 3, 5], 0..3), patience in 1_usize..30, min_len in 0_usize..4,
        no_repeat_ngram in 0_usize..4, theta in prop::sample::select(vec![1.0, 1.7]), suppressed in prop::bool::ANY,
    ) {
        let rules = Rules {
            min_len, no_repeat_ngram, repetition_penalty: theta, suppressed: if suppressed { vec![4] } else { Vec::new() },
            ..Rules::default()
        };
        let request = GenerateRequest { prompts: &prompts, n_samples: 2, max_tokens, ends: &ends, rules: &rules };
        let config = SamplingConfig { temperature: 0.0, ..Default::default() };
        let (model, draft) = (model(seed, max_len), model(if is_same { seed } else { other }, draft_len));
        let source = ngrams.map_or(DraftSource::Model(&draft), DraftSource::Ngrams);
        let drafts = Drafts { source, n_tokens };
        let mut expected = Ok(Texts::default());
        let found = collected(prompts.len() * 2, patience, |on_token| {
            expected = match generate(&model, &request, &config, |_| ControlFlow::Continue(())) {
                Ok(_) => Ok(plain(&model, &request, &config, patience)),
                Err(error) => Err(error.to_string()),
            };
            match generate_drafted(&model, &drafts, &request, &config, on_token) {
                Ok((ended, accepted)) => (ended, Ok(accepted)),
                Err(error) => (Vec::new(), Err(error.to_string())),
            }
        });
        let Ok(expected) = expected else {
            // No token can follow in one of the texts, perhaps after the caller has ended it.
            return Ok(());
        };
        let (texts, accepted) = found;
        let accepted = accepted.unwrap();
        prop_assert_eq!(&texts, &expected);
        prop_assert!(accepted.n_accepted <= accepted.n_drafted);
        // Each pass over a text writes what was accepted of its drafts, and one more; a text may end before.
        prop_assert!(accepted.n_written <= accepted.n_accepted + accepted.n_passes);
        let n_texts: usize = texts.0.iter().map(Vec::len).sum();
        let n_by_model = texts.1.iter().filter(|ended| **ended == Ended::ByModel).count();
        prop_assert_eq!(accepted.n_written, n_texts + n_by_model);
    }
}

#[test]
fn a_text_does_not_depend_on_the_others() {
    let (model, draft) = (model(4, Some(9)), model(5, Some(7)));
    let (rules, config) = (Rules::default(), SamplingConfig { seed: 3, ..Default::default() });
    let prompts = [vec![0], vec![1, 3, 4], vec![5], vec![1, 3, 4, 1, 3]];
    for source in [DraftSource::Model(&draft), DraftSource::Ngrams(2)] {
        let drafts = Drafts { source, n_tokens: 3 };
        let request = GenerateRequest { prompts: &prompts, n_samples: 3, max_tokens: 25, ends: &[2], rules: &rules };
        let ((together, ended), _) = drafted(&model, &drafts, &request, &config, usize::MAX);
        for (idx, prompt) in prompts.iter().enumerate() {
            let prompt = [prompt.clone()];
            let alone = GenerateRequest { prompts: &prompt, ..request };
            let ((texts, ends), _) = drafted(&model, &drafts, &alone, &config, usize::MAX);
            assert_eq!((&together[idx * 3..][..3], &ended[idx * 3..][..3]), (&texts[..], &ends[..]));
        }
        assert!(together[0] != together[1], "samples differ");
    }
}

#[test]
fn fewer_passes_write_what_repeats() {
    /// After each token the next one, surely.
    struct Circle;
    impl models::Scores for Circle {
        fn vocab_size(&self) -> usize {
            VOCAB
        }

        fn after(&self, prefix: &[TokenId]) -> Vec<f32> {
            let next = (prefix[prefix.len() - 1] as usize + 1) % VOCAB;
            (0..VOCAB).map(|token| if token == next { 0.0 } else { f32::NEG_INFINITY }).collect()
        }
    }
    let (prompts, rules) = ([(0..10).map(|n| n % VOCAB as TokenId).collect()], Rules::default());
    let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens: 41, ends: &[], rules: &rules };
    let drafts = Drafts::<Model<Circle>> { source: DraftSource::Ngrams(3), n_tokens: 9 };
    let mut n = 0;
    let on_token = |Drawn { token, .. }: Drawn| {
        assert_eq!(token as usize, (10 + n) % VOCAB);
        n += 1;
        ControlFlow::Continue(())
    };
    let (_, accepted) =
        generate_drafted(&Model::new(Circle), &drafts, &request, &SamplingConfig::default(), on_token).unwrap();
    assert_eq!(accepted, Acceptance { n_drafted: 36, n_accepted: 36, n_written: 41, n_passes: 5 });
    assert_eq!(accepted.to_string(), "drafts: 36 of 36 tokens accepted (100.0 %); 41 tokens in 5 passes of the model");
}
