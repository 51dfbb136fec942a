//! Searches small enough to follow by hand.

use attentive_core::TokenId;
use attentive_decode::{BeamConfig, DecodeError, DecodeRequest, Hypothesis, Rules, beam_search, greedy};

use crate::models::{Model, Scores};

const A: TokenId = 0;
const B: TokenId = 1;
const EOS: TokenId = 2;
const BOS: TokenId = 3;

/// Probabilities by the last token alone: a row of the table for each.
struct Bigrams(Vec<Vec<f32>>);

impl Scores for Bigrams {
    fn vocab_size(&self) -> usize {
        self.0[0].len()
    }

    fn after(&self, prefix: &[TokenId]) -> Vec<f32> {
        let last = prefix[prefix.len() - 1] as usize;
        self.0[last].iter().map(|p| p.ln()).collect()
    }
}

/// The probabilities of `a`, `b` and the end after each of `a`, `b`, the end and then the ids from `BOS`.
fn bigrams(after_a: [f32; 3], after_b: [f32; 3], after_prompts: &[[f32; 3]]) -> Model<Bigrams> {
    let rows = [after_a, after_b, [f32::NAN; 3]].into_iter().chain(after_prompts.iter().copied());
    Model::new(Bigrams(rows.map(Vec::from).collect()))
}

/// Sentences that are told apart by the ids in `prompt`.
fn request<'a>(prompt: &'a [TokenId], rules: &'a Rules, max_len: &'a [usize]) -> DecodeRequest<'a> {
    DecodeRequest { prompt, prefixes: &[], eos: EOS, rules, max_len }
}

fn search(model: &Model<Bigrams>, max_len: &[usize], config: &BeamConfig) -> Vec<Vec<Hypothesis>> {
    let prompts: Vec<TokenId> = (BOS..).take(max_len.len()).collect();
    let rules = Rules::default();
    beam_search(model, model.rows(prompts.len()), &request(&prompts, &rules, max_len), config).unwrap()
}

fn config(beam: usize, n_best: usize, length_penalty: f64) -> BeamConfig {
    BeamConfig { beam, n_best, length_penalty, ..BeamConfig::default() }
}

#[track_caller]
fn assert_hypothesis(hypothesis: &Hypothesis, tokens: &[TokenId], probability: f64, finished: bool) {
    assert_eq!((hypothesis.tokens.as_slice(), hypothesis.finished), (tokens, finished));
    assert!((hypothesis.log_prob - probability.ln()).abs() < 1e-6, "{hypothesis:?} is not {probability}");
}

#[test]
fn a_beam_of_two_finds_what_greedy_search_misses() {
    let model = bigrams([0.3, 0.3, 0.4], [0.0, 0.0, 1.0], &[[0.6, 0.4, 0.0]]);
    let greedy = greedy(&model, model.rows(1), &request(&[BOS], &Rules::default(), &[10])).unwrap();
    assert_hypothesis(&greedy[0], &[A], 0.24, true);
    let best = search(&model, &[10], &config(2, 2, 0.0)).remove(0);
    assert_hypothesis(&best[0], &[B], 0.4, true);
    assert_hypothesis(&best[1], &[A], 0.24, true);
}

#[test]
fn the_length_penalty_favours_the_longer() {
    // ln 0.5 = -0.693 against ln 0.45 / (7 / 6) = -0.684
    let model = bigrams([0.1, 0.0, 0.9], [0.0; 3], &[[0.5, 0.0, 0.5]]);
    assert_hypothesis(&search(&model, &[5], &config(2, 1, 0.0))[0][0], &[], 0.5, true);
    let longer = &search(&model, &[5], &config(2, 1, 1.0))[0][0];
    assert_hypothesis(longer, &[A], 0.45, true);
    assert!((longer.score - -0.6844).abs() < 1e-4, "{longer:?}");
}

#[test]
fn a_wider_beam_waits_for_what_wins_late() {
    // ln 0.46 = -0.777 over 7 / 6 is worse than ln 0.54 = -0.616; over 8 / 6, when it ends, it is better.
    let model = bigrams([0.0, 1.0, 0.0], [0.0, 0.0, 1.0], &[[0.46, 0.0, 0.54]]);
    assert_hypothesis(&search(&model, &[5], &config(2, 1, 1.0))[0][0], &[A, B], 0.46, true);
    // A beam of one is full once its hypothesis has ended.
    assert_hypothesis(&search(&model, &[5], &config(1, 1, 1.0))[0][0], &[], 0.54, true);
}

#[test]
fn sentences_leave_the_batch_as_they_end() {
    // The first sentence ends at once; the second goes on to its limit.
    let model = bigrams([0.4, 0.4, 0.2], [0.3, 0.3, 0.4], &[[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]]);
    let best = search(&model, &[5, 3], &config(2, 2, 0.0));
    assert_eq!(best[0].len(), 1);
    assert_hypothesis(&best[0][0], &[], 1.0, true);
    assert_hypothesis(&best[1][0], &[A, A, A], 0.08, false);
    assert_hypothesis(&best[1][1], &[A, A, B], 0.08, false);
    assert_eq!(model.n_rows.take(), [2, 2, 2]);

    greedy(&model, model.rows(2), &request(&[BOS, BOS + 1], &Rules::default(), &[5, 3])).unwrap();
    assert_eq!(model.n_rows.take(), [2, 1, 1]);
}

#[test]
fn a_search_stops_where_no_beam_can_win() {
    // Once 0.9 has ended, 0.1 and less can't catch up without a penalty.
    let model = bigrams([0.5, 0.5, 0.0], [0.5, 0.5, 0.0], &[[0.1, 0.0, 0.9]]);
    search(&model, &[100], &config(4, 1, 0.0));
    assert_eq!(model.n_rows.take().len(), 1);
    // With two wanted, it looks for the second to the end.
    search(&model, &[100], &config(4, 2, 0.0));
    assert_eq!(model.n_rows.take().len(), 100);
}

#[test]
fn a_model_that_only_ends_gives_the_empty_hypothesis() {
    let model = bigrams([0.0; 3], [0.0; 3], &[[0.0, 0.0, 1.0]]);
    let best = search(&model, &[8], &config(4, 4, 0.6)).remove(0);
    let (tokens, token_log_probs) = (Vec::new(), vec![0.0]);
    assert_eq!(best, [Hypothesis { tokens, log_prob: 0.0, token_log_probs, score: 0.0, finished: true }]);
    assert_eq!(model.n_rows.take(), [1]);
}

#[test]
fn where_nothing_can_follow_the_hypothesis_is_unfinished() {
    let model = bigrams([0.0; 3], [f32::NAN; 3], &[[0.5, 0.5, 0.0]]);
    let best = search(&model, &[8], &config(2, 2, 0.0)).remove(0);
    assert_hypothesis(&best[0], &[A], 0.5, false);
    assert_hypothesis(&best[1], &[B], 0.5, false);
    let by_greedy = greedy(&model, model.rows(1), &request(&[BOS], &Rules::default(), &[8])).unwrap();
    assert_hypothesis(&by_greedy[0], &[A], 0.5, false);
}

#[test]
fn no_sentences_are_no_work() {
    let model = bigrams([0.0; 3], [0.0; 3], &[]);
    assert!(search(&model, &[], &BeamConfig::default()).is_empty());
    assert!(model.n_rows.take().is_empty());
}

#[test]
fn settings_at_odds_are_refused() {
    assert!(matches!(config(0, 1, 0.6).validate(), Err(DecodeError::ZeroBeam)));
    assert!(matches!(config(4, 0, 0.6).validate(), Err(DecodeError::NBest { n_best: 0, beam: 4 })));
    assert!(matches!(config(4, 5, 0.6).validate(), Err(DecodeError::NBest { n_best: 5, beam: 4 })));
    for alpha in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(config(4, 1, alpha).validate(), Err(DecodeError::LengthPenalty { .. })), "{alpha}");
    }
}

#[test]
fn requests_at_odds_are_refused() {
    let mut model = bigrams([0.0; 3], [0.0; 3], &[[0.0, 0.0, 1.0]]);
    model.max_len = Some(9);
    let refusal = |request: DecodeRequest<'_>| {
        let n = request.max_len.len();
        let by_beam = beam_search(&model, model.rows(n), &request, &BeamConfig::default()).unwrap_err();
        let by_greedy = greedy(&model, model.rows(n), &request).unwrap_err();
        assert_eq!(by_beam.to_string(), by_greedy.to_string());
        by_greedy
    };
    let none = Rules::default();
    let shape = refusal(request(&[BOS; 3], &none, &[5, 5]));
    assert!(matches!(shape, DecodeError::PromptShape { n_tokens: 3, n_sentences: 2 }));
    assert!(matches!(refusal(request(&[], &none, &[5])), DecodeError::EmptyPrompt));
    assert!(matches!(refusal(request(&[BOS; 2], &none, &[5, 0])), DecodeError::ZeroLength { sentence: 1 }));
    let beyond = refusal(request(&[BOS], &none, &[10]));
    assert!(matches!(beyond, DecodeError::BeyondPositions { sentence: 0, n_tokens: 10, limit: 9 }));

    let with = |rules: &Rules| refusal(request(&[BOS], rules, &[5]));
    assert!(matches!(
        refusal(DecodeRequest { eos: 3, ..request(&[BOS], &none, &[5]) }),
        DecodeError::UnreachableEos { eos: 3, vocab_size: 3 }
    ));
    let unreachable = Rules { suppressed: vec![A, EOS], ..Rules::default() };
    assert!(matches!(with(&unreachable), DecodeError::UnreachableEos { .. }));
    let unreachable = Rules { bad_words: vec![vec![A, B], vec![EOS]], ..Rules::default() };
    assert!(matches!(with(&unreachable), DecodeError::UnreachableEos { .. }));
    let empty = Rules { bad_words: vec![vec![A], vec![]], ..Rules::default() };
    assert!(matches!(with(&empty), DecodeError::EmptyBadWord { index: 1 }));
    for repetition_penalty in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let rules = Rules { repetition_penalty, ..Rules::default() };
        assert!(matches!(with(&rules), DecodeError::Setting { key: "repetition_penalty", .. }));
    }
    let forced = |token| Rules { forced_first: Some(token), ..Rules::default() };
    assert!(matches!(with(&forced(EOS)), DecodeError::ForcedEnd { eos: EOS }));
    assert!(matches!(with(&forced(3)), DecodeError::UnknownToken { id: 3, vocab_size: 3 }));

    let prefixed =
        |prefixes: &[Vec<TokenId>], rules: &Rules| refusal(DecodeRequest { prefixes, ..request(&[BOS], rules, &[2]) });
    assert!(matches!(prefixed(&[vec![A], vec![B]], &none), DecodeError::PrefixCount { .. }));
    assert!(matches!(prefixed(&[vec![A, EOS]], &none), DecodeError::ForcedEnd { eos: EOS }));
    assert!(matches!(prefixed(&[vec![A, 7]], &none), DecodeError::UnknownToken { id: 7, .. }));
    let long = prefixed(&[vec![A, B]], &forced(A));
    assert!(matches!(long, DecodeError::LongPrefix { sentence: 0, n_forced: 3, max_len: 2 }));
}
