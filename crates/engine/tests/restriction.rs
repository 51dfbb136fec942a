//! Translations that are held to some tokens, against the log-probabilities of all.

use attentive_backend::BackendKind;
use attentive_core::{EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, TopTokens, Turn, Want};
use attentive_decode::{BeamConfig, DecodeRequest, Rules, beam_search};
use attentive_engine::{CpuTransformer, State, WeightFormat};
use attentive_model::{ModelSpec, TransformerConfig};

const VOCAB: usize = 61;
const EOS: TokenId = 2;

/// An engine of random weights whose layers take every format.
fn engine(format: WeightFormat) -> CpuTransformer {
    let config = TransformerConfig {
        d_model: 32,
        d_ff: 32,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 2,
        projection_bias: true,
        ..TransformerConfig::base(VOCAB)
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap();
    let mut params = attentive_weights::params(&model);
    let bias = params.get_mut("projection_bias").unwrap();
    bias.values.iter_mut().enumerate().for_each(|(at, value)| *value = (at * 7 % 11) as f32 / 10.0);
    CpuTransformer::new(&config, &params, format).unwrap()
}

const FORMATS: [WeightFormat; 4] = [WeightFormat::F32, WeightFormat::Int8, WeightFormat::Q8_0, WeightFormat::Q4_0];

const SOURCES: [&[TokenId]; 3] = [&[3, 4, 5, 6, 7, 8, EOS], &[9, EOS], &[10, 11, 12, EOS]];

fn sources() -> TokenMatrix {
    TokenMatrix::from_rows(&SOURCES, 0, 0)
}

fn all_tokens() -> Vec<TokenId> {
    (0..VOCAB as TokenId).collect()
}

/// The tokens of each source, some of them of several.
fn allowed() -> Vec<Vec<TokenId>> {
    vec![vec![EOS, 5, 20, 21, 33, 60], vec![0, EOS, 20], all_tokens()]
}

fn restricted(engine: &CpuTransformer, source: &TokenMatrix, allowed: &[Vec<TokenId>]) -> State {
    let mut state = engine.start(source);
    engine.restrict(&mut state, allowed);
    state
}

/// Log-probabilities among some tokens alone, from those among all, `[vocab]`.
fn among(log_probs: &[f32], allowed: &[TokenId]) -> Vec<f64> {
    let of_allowed = |token: &TokenId| f64::from(log_probs[*token as usize]);
    let sum = allowed.iter().map(|token| of_allowed(token).exp()).sum::<f64>().ln();
    let mut among = vec![f64::NEG_INFINITY; log_probs.len()];
    allowed.iter().for_each(|token| among[*token as usize] = of_allowed(token) - sum);
    among
}

/// Steps with a prompt of two tokens, and rows that change places, leave and are copied.
const STEPS: [(&[TokenId], &[usize]); 3] =
    [(&[1, 30, 1, 31, 1, 32], &[0, 0, 1, 2]), (&[5, 20, 0, 44], &[3, 1, 1]), (&[9, 21, 5], &[0, 1, 2])];

#[test]
fn log_probabilities_are_those_among_the_tokens_that_are_allowed() {
    for format in FORMATS {
        let engine = engine(format);
        let (mut free, mut held) = (engine.start(&sources()), restricted(&engine, &sources(), &allowed()));
        let mut best = held.clone();
        let mut of_rows = allowed();
        for (tokens, parents) in STEPS {
            let expected = engine.log_probs(tokens, &mut free).unwrap();
            let found = engine.log_probs(tokens, &mut held).unwrap();
            let Scores::Top(top) = engine.advance(tokens, &mut best, Want::Top(4)).unwrap() else {
                panic!("the engine finds the best alone")
            };
            let rows = expected.chunks(VOCAB).zip(found.chunks(VOCAB)).zip(&of_rows);
            for (row, ((expected, found), allowed)) in rows.enumerate() {
                let expected = among(expected, allowed);
                for (token, (expected, &found)) in expected.iter().zip(found).enumerate() {
                    let is_same = *expected == f64::from(found) || (expected - f64::from(found)).abs() < 1e-5;
                    assert!(is_same, "{format}, row {row}, token {token}: {expected} and {found}");
                }
                let mut order = allowed.clone();
                order.sort_by(|&a, &b| found[b as usize].total_cmp(&found[a as usize]));
                let n = order.len().min(4);
                assert_eq!(top.ids[row * 4..][..n], order[..n], "{format}, row {row}");
                for (at, &log_prob) in top.log_probs[row * 4..][..4].iter().enumerate() {
                    assert_eq!(log_prob, order.get(at).map_or(f32::NEG_INFINITY, |&token| found[token as usize]));
                }
            }
            for state in [&mut free, &mut held, &mut best] {
                engine.reorder(state, parents);
            }
            of_rows = parents.iter().map(|&parent| of_rows[parent].clone()).collect();
        }
    }
}

#[test]
fn a_sentence_has_the_same_bits_alone_in_a_batch_and_together_with_others() {
    for format in FORMATS {
        let engine = engine(format);
        let allowed = allowed();
        let mut batch = restricted(&engine, &sources(), &allowed);
        let alone =
            |at: usize| restricted(&engine, &TokenMatrix::from_rows(&SOURCES[at..=at], 0, 0), &allowed[at..=at]);
        let mut alone: Vec<State> = (0..3).map(alone).collect();
        let mut together = alone.clone();
        // A state that is held to nothing, between others.
        let mut free = engine.start(&sources());
        for (step, tokens) in [[1_u32, 1, 1], [20, 20, 20], [5, 0, 44]].iter().enumerate() {
            for want in [Want::Top(3), Want::All] {
                let (mut batch_then, mut free_then) = (batch.clone(), free.clone());
                let in_batch = engine.advance(tokens, &mut batch_then, want).unwrap();
                let mut states = together.clone();
                let mut turns: Vec<Turn<'_, State>> = Vec::new();
                for (at, state) in states.iter_mut().enumerate() {
                    turns.push(Turn { tokens: &tokens[at..=at], state, want });
                }
                turns.insert(1, Turn { tokens, state: &mut free_then, want: Want::Top(2) });
                let mut of_turns = engine.advance_together(&mut turns).unwrap();
                assert_eq!(of_turns.remove(1), engine.advance(tokens, &mut free.clone(), Want::Top(2)).unwrap());
                for (at, one) in alone.iter().enumerate() {
                    let one = engine.advance(&tokens[at..=at], &mut one.clone(), want).unwrap();
                    assert_eq!(one, of_turns[at], "{format}, step {step}, together");
                    assert_eq!(one, row(&in_batch, at), "{format}, step {step}, in a batch");
                }
            }
            engine.advance(tokens, &mut batch, Want::All).unwrap();
            engine.advance(tokens, &mut free, Want::All).unwrap();
            for states in [&mut alone, &mut together] {
                for (at, state) in states.iter_mut().enumerate() {
                    engine.advance(&tokens[at..=at], state, Want::All).unwrap();
                }
            }
        }
    }
}

/// The scores of one row.
fn row(scores: &Scores, row: usize) -> Scores {
    match scores {
        Scores::All(log_probs) => Scores::All(log_probs[row * VOCAB..][..VOCAB].to_vec()),
        Scores::Top(top) => Scores::Top(TopTokens {
            k: top.k,
            ids: top.ids[row * top.k..][..top.k].to_vec(),
            log_probs: top.log_probs[row * top.k..][..top.k].to_vec(),
        }),
    }
}

/// The tokens of the best translation of each source, of three tokens at most with its end.
fn search(engine: &CpuTransformer, state: State, n: usize, beam: usize) -> Vec<(Vec<TokenId>, f64)> {
    let (prompt, max_len, rules) = (vec![1; n], vec![3; n], Rules::default());
    let request = DecodeRequest { prompt: &prompt, prefixes: &[], eos: EOS, rules: &rules, max_len: &max_len };
    let config = BeamConfig { beam, length_penalty: 0.0, ..BeamConfig::default() };
    let found = beam_search(engine, state, &request, &config).unwrap();
    found.into_iter().map(|mut best| best.swap_remove(0)).map(|best| (best.tokens, best.log_prob)).collect()
}

/// The most probable of all texts of up to two allowed tokens before their end.
fn best_of_all(engine: &CpuTransformer, source: &[TokenId], allowed: &[TokenId]) -> (Vec<TokenId>, f64) {
    let of_text = |text: &[TokenId]| {
        let mut state = engine.start(&TokenMatrix::from_rows(&[source], 0, 0));
        let read = [&[1][..], text].concat();
        let written = text.iter().copied().chain([EOS]);
        let log_prob = |(&read, written): (&TokenId, TokenId)| {
            among(&engine.log_probs(&[read], &mut state).unwrap(), allowed)[written as usize]
        };
        read.iter().zip(written).map(log_prob).sum::<f64>()
    };
    let words: Vec<TokenId> = allowed.iter().copied().filter(|&token| token != EOS).collect();
    let one = words.iter().map(|&word| vec![word]);
    let two = words.iter().flat_map(|&first| words.iter().map(move |&second| vec![first, second]));
    let scored = [Vec::new()].into_iter().chain(one).chain(two).map(|text| (of_text(&text), text));
    let (log_prob, text) = scored.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    (text, log_prob)
}

#[test]
fn a_search_finds_the_best_of_all_texts_of_the_tokens() {
    let engine = engine(WeightFormat::F32);
    let allowed = allowed();
    let expected: Vec<_> =
        SOURCES[..2].iter().zip(&allowed).map(|(source, allowed)| best_of_all(&engine, source, allowed)).collect();
    let check = |found: &[(Vec<TokenId>, f64)], expected: &[(Vec<TokenId>, f64)]| {
        for ((found, log_prob), (tokens, expected)) in found.iter().zip(expected) {
            assert_eq!(found, tokens);
            assert!((log_prob - expected).abs() < 1e-5, "{log_prob} and {expected}");
        }
    };
    let both = TokenMatrix::from_rows(&SOURCES[..2], 0, 0);
    check(&search(&engine, restricted(&engine, &both, &allowed[..2]), 2, 64), &expected);
    for at in 0..2 {
        let source = TokenMatrix::from_rows(&SOURCES[at..=at], 0, 0);
        check(&search(&engine, restricted(&engine, &source, &allowed[at..=at]), 1, 64), &expected[at..=at]);
    }
}

#[test]
fn a_search_among_all_tokens_is_the_search_without_a_restriction() {
    for format in FORMATS {
        let engine = engine(format);
        let all = vec![all_tokens(); 3];
        for beam in [1, 4] {
            let free = search(&engine, engine.start(&sources()), 3, beam);
            let held = search(&engine, restricted(&engine, &sources(), &all), 3, beam);
            for ((free, of_free), (held, of_held)) in free.iter().zip(&held) {
                assert_eq!(free, held, "{format}");
                assert!((of_free - of_held).abs() < 1e-5, "{format}: {of_free} and {of_held}");
            }
        }
    }
}
