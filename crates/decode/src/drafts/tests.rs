//! The distribution of drafted texts, exactly: every random choice is made in every way, and the probabilities of the ways to
//! one text are summed.

use std::{collections::BTreeMap, ops::ControlFlow};

use attentive_core::TokenId;

use super::{Acceptance, Chance, DraftSource, Drafts, write};
use crate::{DecodeError, Ended, GenerateRequest, Rules, SamplingConfig};
use models::{Hashed, Model, Scores};

#[path = "../../tests/models/mod.rs"]
mod models;

/// One way through all choices; the last is changed first.
#[derive(Default)]
struct Script {
    /// The option that is taken at each choice, and the number of options.
    choices: Vec<(usize, usize)>,
    at: usize,
    /// Of the way so far.
    probability: f64,
}

impl Script {
    fn choose(&mut self, options: &[f64]) -> usize {
        if self.at == self.choices.len() {
            self.choices.push((0, options.len()));
        }
        let (taken, n) = self.choices[self.at];
        assert_eq!(n, options.len(), "the same choice on the same way");
        self.at += 1;
        self.probability *= options[taken];
        taken
    }

    /// The next way, if there is another.
    fn next(&mut self) -> bool {
        while let Some((taken, n)) = self.choices.pop() {
            if taken + 1 < n {
                self.choices.push((taken + 1, n));
                return true;
            }
        }
        false
    }

    fn token(&mut self, distribution: &[(TokenId, f64)]) -> TokenId {
        let sum: f64 = distribution.iter().map(|(_, p)| p).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{distribution:?}");
        let options: Vec<f64> = distribution.iter().map(|(_, p)| *p).collect();
        distribution[self.choose(&options)].0
    }
}

impl Chance for Script {
    fn draft(&mut self, _: usize, _: u64, distribution: &[(TokenId, f64)]) -> TokenId {
        self.token(distribution)
    }

    fn accepts(&mut self, _: usize, _: u64, p: f64) -> bool {
        assert!((0.0..=1.0).contains(&p));
        match p {
            0.0 => false,
            1.0 => true,
            _ => self.choose(&[p, 1.0 - p]) == 0,
        }
    }

    fn draw(&mut self, _: usize, _: u64, distribution: &[(TokenId, f64)]) -> TokenId {
        self.token(distribution)
    }
}

const EOS: TokenId = 2;
/// Texts with the reason for their end, and their probabilities.
type Texts = BTreeMap<(Vec<TokenId>, bool), f64>;

/// Settings, and the tokens that are suppressed.
type Settings<'a> = (&'a SamplingConfig, &'a [TokenId]);

fn hashed(seed: u64, vocab_size: usize) -> Hashed {
    Hashed { vocab_size, seed, sharpness: 3.0, eos: EOS }
}

/// The texts that the model's distribution after settings has.
fn expected(scores: &Hashed, (config, suppressed): Settings<'_>, prompt: &[TokenId], max_tokens: usize) -> Texts {
    let mut texts = Texts::new();
    let mut open = vec![(prompt.to_vec(), 1.0)];
    while let Some((text, probability)) = open.pop() {
        let written = &text[prompt.len()..];
        if written.len() == max_tokens {
            *texts.entry((written.to_vec(), false)).or_default() += probability;
            continue;
        }
        for (token, p) in config.distribution(&scores.after(&text), &text, suppressed) {
            if token == EOS {
                *texts.entry((written.to_vec(), true)).or_default() += probability * p;
            } else {
                open.push(([&text[..], &[token]].concat(), probability * p));
            }
        }
    }
    texts
}

/// The texts that are written with drafts, by every way through the choices.
fn found(
    scores: &Hashed,
    drafts: &Drafts<'_, Model<Hashed>>,
    (config, suppressed): Settings<'_>,
    prompt: &[TokenId],
    max_tokens: usize,
) -> Texts {
    let (model, prompts) = (Model::new(scores.clone()), [prompt.to_vec()]);
    let rules = Rules { suppressed: suppressed.to_vec(), ..Rules::default() };
    let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens, ends: &[EOS], rules: &rules };
    let (mut texts, mut script) = (Texts::new(), Script::default());
    loop {
        (script.at, script.probability) = (0, 1.0);
        let mut text = Vec::new();
        let (ended, _) = write(&model, drafts, &request, config, &mut script, |drawn| {
            text.push(drawn.token);
            ControlFlow::Continue(())
        })
        .unwrap();
        *texts.entry((text, ended[0] == Ended::ByModel)).or_default() += script.probability;
        if !script.next() {
            return texts;
        }
    }
}

fn same(found: &Texts, expected: &Texts, name: &str) {
    assert!((found.values().sum::<f64>() - 1.0).abs() < 1e-9, "{name}");
    let likely =
        |texts: &Texts| texts.iter().filter(|(_, p)| **p > 1e-12).map(|(text, _)| text.clone()).collect::<Vec<_>>();
    assert_eq!(likely(found), likely(expected), "{name}");
    for (text, p) in expected {
        let other = found.get(text).copied().unwrap_or(0.0);
        assert!((p - other).abs() < 1e-9, "{name}, {text:?}: {other} and {p}");
    }
}

#[test]
fn drafted_texts_have_the_models_distribution() {
    let configs = [
        SamplingConfig::default(),
        SamplingConfig { temperature: 0.6, ..Default::default() },
        SamplingConfig { top_k: 2, ..Default::default() },
        SamplingConfig { temperature: 1.7, top_p: 0.8, ..Default::default() },
        SamplingConfig { min_p: 0.4, repetition_penalty: 2.5, ..Default::default() },
        SamplingConfig { typical_p: 0.7, eta_cutoff: 0.2, ..Default::default() },
        SamplingConfig { temperature: 0.0, ..Default::default() },
    ];
    for (case, config) in configs.iter().enumerate() {
        for n_tokens in 1..=2 {
            let seed = (case * 10 + n_tokens) as u64;
            let (scores, draft) = (hashed(seed, 3), Model::new(hashed(seed + 1000, 3)));
            for suppressed in [&[][..], &[1]] {
                let drafts = Drafts { source: DraftSource::Model(&draft), n_tokens };
                let found = found(&scores, &drafts, (config, suppressed), &[0], 4);
                let expected = expected(&scores, (config, suppressed), &[0], 4);
                same(&found, &expected, &format!("{config:?}, {n_tokens} tokens, without {suppressed:?}"));
            }
        }
    }
    // Longer texts, of fewer choices at each step.
    let config = SamplingConfig { top_k: 2, ..Default::default() };
    for n_tokens in 1..=4 {
        let (scores, draft) = (hashed(n_tokens as u64, 5), Model::new(hashed(7, 5)));
        let drafts = Drafts { source: DraftSource::Model(&draft), n_tokens };
        let found = found(&scores, &drafts, (&config, &[]), &[0], 6);
        same(&found, &expected(&scores, (&config, &[]), &[0], 6), &format!("{n_tokens} tokens of six"));
    }
}

#[test]
fn so_have_texts_drafted_from_ngrams() {
    for (case, prompt) in [&[0, 1, 0][..], &[1, 1], &[3, 2, 0, 1, 3]].into_iter().enumerate() {
        for n_tokens in 1..=4 {
            let scores = hashed(case as u64, 4);
            let config = SamplingConfig { top_p: 0.95, ..Default::default() };
            let drafts = Drafts { source: DraftSource::Ngrams(2), n_tokens };
            let found = found(&scores, &drafts, (&config, &[]), prompt, 4);
            same(&found, &expected(&scores, (&config, &[]), prompt, 4), &format!("{prompt:?}, {n_tokens} tokens"));
        }
    }
}

#[test]
fn a_draft_of_the_same_model_is_always_accepted() {
    let (scores, prompts, rules) = (hashed(5, 6), [vec![0]], Rules::default());
    let (model, draft) = (Model::new(scores.clone()), Model::new(scores));
    let request = GenerateRequest { prompts: &prompts, n_samples: 4, max_tokens: 20, ends: &[], rules: &rules };
    let drafts = Drafts { source: DraftSource::Model(&draft), n_tokens: 4 };
    let config = SamplingConfig::default();
    let (_, accepted) =
        super::generate_drafted(&model, &drafts, &request, &config, |_| ControlFlow::Continue(())).unwrap();
    // The first token, then four rounds of five but for the last, of four.
    assert_eq!(accepted, Acceptance { n_drafted: 60, n_accepted: 60, n_written: 80, n_passes: 20 });
    assert_eq!((accepted.share(), Acceptance::default().share()), (Some(1.0), None));
}

#[test]
fn what_cannot_draft_is_refused() {
    let (model, prompts, rules) = (Model::new(hashed(5, 6)), [vec![0]], Rules::default());
    let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens: 2, ends: &[], rules: &rules };
    let refused = |vocab_size, n_tokens, ngrams: Option<usize>| {
        let draft = Model::new(hashed(5, vocab_size));
        let source = ngrams.map_or(DraftSource::Model(&draft), DraftSource::Ngrams);
        let drafts = Drafts { source, n_tokens };
        super::generate_drafted(&model, &drafts, &request, &SamplingConfig::default(), |_| ControlFlow::Continue(()))
            .unwrap_err()
    };
    assert!(matches!(refused(7, 1, None), DecodeError::DraftVocabulary { vocab_size: 6, of_draft: 7 }));
    assert_eq!(refused(6, 0, None).keys(), ["draft_tokens"]);
    assert_eq!(refused(6, 1, Some(0)).keys(), ["draft_ngrams"]);
}
