//! What a search says that it kept and dropped, against a beam search that writes every candidate down.

use std::collections::BTreeMap;

use attentive_core::TokenId;
use attentive_decode::{
    BeamConfig, BeamRules, BeamTrace, BeamTree, Constraints, DecodeRequest, Diversity, Dropped, Fate, Phrase, Rules,
    beam_search_traced, beam_search_with, gnmt_penalty,
};
use proptest::prelude::*;

use crate::models::{Hashed, Model, Scores};

const EOS: TokenId = 1;
const PROMPT: [TokenId; 2] = [2, 3];

/// What became of each text, by its tokens.
type Told = BTreeMap<Vec<TokenId>, Fate>;

/// Why a token may not follow, read off the definitions.
fn why(rules: &Rules, forced: &[TokenId], written: &[TokenId], token: TokenId, next: f32) -> Option<Dropped> {
    let impossible = (next == f32::NEG_INFINITY).then_some(Dropped::Impossible);
    if let Some(&forced) = forced.get(written.len()) {
        return if token == forced { impossible } else { Some(Dropped::NotForced) };
    }
    let text = [&PROMPT, written, &[token]].concat();
    let n = rules.no_repeat_ngram;
    let repeats = n > 0 && token != EOS && text.len() > n && {
        let (before, last) = (&text[..text.len() - 1], &text[text.len() - n..]);
        before.windows(n).any(|ngram| ngram == last)
    };
    if rules.suppressed.contains(&token) {
        Some(Dropped::Suppressed)
    } else if repeats {
        Some(Dropped::RepeatedNgram)
    } else if rules.bad_words.iter().any(|word| text.ends_with(word)) {
        Some(Dropped::BadWord)
    } else if token == EOS && written.len() < rules.min_len {
        Some(Dropped::TooShort)
    } else {
        impossible
    }
}

/// A hypothesis of the plain search.
#[derive(Clone)]
struct Text {
    tokens: Vec<TokenId>,
    ranked: f64,
    score: f64,
}

fn score(config: &BeamConfig, ranked: f64, len: usize) -> f64 {
    match config.rules {
        BeamRules::Gnmt => ranked / gnmt_penalty(len, config.length_penalty),
        _ => ranked / (len as f64).powf(config.length_penalty),
    }
}

/// What becomes of every continuation of every hypothesis of a beam.
fn plain(scores: &Hashed, rules: &Rules, prefix: &[TokenId], max_len: usize, config: &BeamConfig) -> Told {
    let forced: Vec<TokenId> = rules.forced_first.iter().chain(prefix).copied().collect();
    let is_of_paper = config.rules == BeamRules::Gnmt;
    let n_kept = if is_of_paper { config.n_best } else { config.beam };
    let mut told = Told::new();
    let mut live = vec![Text { tokens: Vec::new(), ranked: 0.0, score: 0.0 }];
    let (mut finished, mut n_finished): (Vec<Text>, usize) = (Vec::new(), 0);
    for len in 1.. {
        let mut candidates = Vec::new();
        for (parent, text) in live.iter().enumerate() {
            for (token, next) in (0..).zip(scores.after(&[&PROMPT, &text.tokens[..]].concat())) {
                let tokens = [&text.tokens[..], &[token]].concat();
                if let Some(why) = why(rules, &forced, &text.tokens, token, next) {
                    told.insert(tokens, Fate::Dropped(why));
                    continue;
                }
                let is_seen = len > forced.len() && (PROMPT.contains(&token) || text.tokens.contains(&token));
                let added = f64::from(next) * if is_seen { rules.repetition_penalty } else { 1.0 };
                candidates.push((text.ranked + added, token, parent, tokens));
            }
        }
        if candidates.is_empty() {
            break;
        }
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let parents = std::mem::take(&mut live);
        for (rank, (mut ranked, token, parent, tokens)) in candidates.into_iter().enumerate() {
            if len <= forced.len() && !is_of_paper {
                ranked = parents[parent].ranked;
            }
            let text = Text { tokens: tokens.clone(), ranked, score: score(config, ranked, len) };
            let ends = token == EOS || !is_of_paper && len >= max_len;
            let fate = if rank >= 2 * config.beam || ends && rank >= config.beam {
                Fate::Dropped(Dropped::BelowBeam)
            } else if ends {
                n_finished += 1;
                finished.push(text);
                Fate::Kept
            } else if live.len() < config.beam {
                live.push(text);
                Fate::Kept
            } else {
                Fate::Dropped(Dropped::BelowBeam)
            };
            told.insert(tokens, fate);
        }
        // A sort leaves equals in their order.
        finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        for worse in finished.drain(n_kept.min(finished.len())..) {
            told.insert(worse.tokens, Fate::Dropped(Dropped::FinishedWorse));
        }
        let Some(best) = live.first() else { break };
        if len >= max_len || n_finished >= config.beam {
            break;
        }
        let best_len = if best.ranked >= 0.0 { len + 1 } else { max_len };
        if finished.get(n_kept - 1).is_some_and(|worst| score(config, best.ranked, best_len) <= worst.score) {
            break;
        }
    }
    let n_ended = finished.len();
    for (rank, text) in finished.into_iter().chain(live).enumerate() {
        let dropped = if rank < n_ended { Dropped::FinishedWorse } else { Dropped::Over };
        let fate = if rank < config.n_best { Fate::Found(rank) } else { Fate::Dropped(dropped) };
        // The empty text is not a token's.
        if !text.tokens.is_empty() {
            told.insert(text.tokens, fate);
        }
    }
    told
}

fn told(tree: &BeamTree) -> Told {
    (0..tree.nodes.len()).map(|node| (tree.tokens(node), tree.nodes[node].fate)).collect()
}

/// Tokens below 4, none of them the end.
fn tokens(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<TokenId>> {
    prop::collection::vec(prop::sample::select(vec![0, 2, 3]), n)
}

prop_compose! {
    fn rules()(
        suppressed in tokens(0..2), bad_words in prop::collection::vec(tokens(1..3), 0..3), min_len in 0_usize..4,
        no_repeat_ngram in 0_usize..4, repetition_penalty in prop::sample::select(vec![1.0, 0.7, 1.5]),
        forced_first in prop::option::of(prop::sample::select(vec![0_u32, 2, 3])),
    ) -> Rules {
        Rules { suppressed, bad_words, min_len, no_repeat_ngram, repetition_penalty, forced_first }
    }
}

prop_compose! {
    fn scores()(vocab_size in 4_usize..7, seed in any::<u64>(), sharpness in 1.0..8.0) -> Hashed {
        Hashed { vocab_size, seed, sharpness, eos: EOS }
    }
}

proptest! {
    #[test]
    fn every_hypothesis_is_told_with_the_right_reason(
        scores in scores(), rules in rules(), prefix in tokens(0..2), max_len in 3_usize..7, beam in 1_usize..5,
        n_best in 1_usize..5, alpha in prop::sample::select(vec![0.0, 0.6, 2.0]),
        how in prop::sample::select(vec![BeamRules::Gnmt, BeamRules::Early]), width in 0_usize..8,
    ) {
        let config = BeamConfig { beam, n_best: n_best.min(beam), length_penalty: alpha, rules: how };
        let (prefixes, max_len) = ([prefix], [max_len]);
        let request =
            DecodeRequest { prompt: &PROMPT, prefixes: &prefixes, eos: EOS, rules: &rules, max_len: &max_len };
        let model = Model::new(scores.clone());
        let mut trace = BeamTrace::new(scores.vocab_size);
        let nothing = Constraints::default();
        let found = beam_search_traced(&model, model.rows(1), &request, &config, &nothing, &mut trace).unwrap();
        let [tree] = trace.trees() else { panic!("one sentence has one tree") };
        let expected = plain(&scores, &rules, &prefixes[0], max_len[0], &config);
        prop_assert_eq!(told(tree), expected.clone());

        // Each text's log-probability is that of its tokens.
        for (at, node) in tree.nodes.iter().enumerate() {
            let text = [&PROMPT, &tree.tokens(at)[..]].concat();
            let next = |end: usize| f64::from(scores.after(&text[..end])[text[end] as usize]);
            let sum: f64 = (PROMPT.len()..text.len()).map(next).sum();
            prop_assert!(node.total == sum || (node.total - sum).abs() < 1e-9, "{} and {}", node.total, sum);
        }
        // A record changes nothing, and a narrow one leaves out what was dropped.
        let plainly = beam_search_with(&model, model.rows(1), &request, &config, &nothing).unwrap();
        prop_assert_eq!(&plainly, &found);
        let mut narrow = BeamTrace::new(width);
        beam_search_traced(&model, model.rows(1), &request, &config, &nothing, &mut narrow).unwrap();
        let some = told(&narrow.trees()[0]);
        prop_assert!(some.iter().all(|(tokens, fate)| expected.get(tokens) == Some(fate)));
        for (tokens, fate) in &expected {
            let is_taken = matches!(fate, Fate::Kept | Fate::Found(_) | Fate::Dropped(Dropped::FinishedWorse | Dropped::Over));
            prop_assert!(!is_taken || some.contains_key(tokens), "{:?} is missing", tokens);
        }
    }

    /// A beam that drops nothing: what a text without its phrase may not do is end.
    #[test]
    fn a_text_that_lacks_a_phrase_does_not_end_by_a_constraint(
        scores in scores(), form in tokens(1..3), max_len in 3_usize..5,
    ) {
        let beam = scores.vocab_size.pow(max_len as u32);
        let config = BeamConfig { beam, n_best: 1, ..BeamConfig::default() };
        let rules = Rules::default();
        let request = DecodeRequest { prompt: &PROMPT, prefixes: &[], eos: EOS, rules: &rules, max_len: &[max_len] };
        let model = Model::new(scores.clone());
        let mut trace = BeamTrace::new(scores.vocab_size);
        let constraints = Constraints { required: &[vec![Phrase::from(form.clone())]], ..Constraints::default() };
        beam_search_traced(&model, model.rows(1), &request, &config, &constraints, &mut trace).unwrap();
        let told = told(&trace.trees()[0]);
        for (tokens, fate) in &told {
            let is_open = tokens.last() == Some(&EOS) && !tokens.windows(form.len()).any(|part| part == form);
            prop_assert_eq!(is_open, *fate == Fate::Dropped(Dropped::Constraint), "{:?}: {:?}", tokens, fate);
        }
    }

    #[test]
    fn sentences_and_groups_have_trees_of_their_own(
        scores in scores(), n_sentences in 1_usize..3, groups in 1_usize..3, max_len in 3_usize..6,
    ) {
        let rules = Rules::default();
        let prompts: Vec<TokenId> = (0..n_sentences as TokenId).collect();
        let max_len = vec![max_len; n_sentences];
        let request = DecodeRequest { prompt: &prompts, prefixes: &[], eos: EOS, rules: &rules, max_len: &max_len };
        let config = BeamConfig { beam: 2 * groups, n_best: 2, ..BeamConfig::default() };
        let constraints = Constraints { diversity: Diversity { groups, penalty: 0.5 }, ..Constraints::default() };
        let model = Model { is_even: false, ..Model::new(scores.clone()) };
        let mut trace = BeamTrace::new(2);
        let found = beam_search_traced(&model, model.rows(n_sentences), &request, &config, &constraints, &mut trace).unwrap();
        let of: Vec<_> = trace.trees().iter().map(|tree| (tree.sentence, tree.group)).collect();
        let expected: Vec<_> = (0..n_sentences).flat_map(|sentence| (0..groups).map(move |group| (sentence, group))).collect();
        prop_assert_eq!(of, expected);
        for (sentence, found) in found.iter().enumerate() {
            for (rank, hypothesis) in found.iter().enumerate() {
                let end = hypothesis.finished.then_some(EOS);
                let tokens: Vec<TokenId> = hypothesis.tokens.iter().copied().chain(end).collect();
                let trees = trace.trees().iter().filter(|tree| tree.sentence == sentence);
                let is_told = trees.filter(|tree| told(tree).get(&tokens) == Some(&Fate::Found(rank))).count();
                prop_assert!(is_told >= 1, "{:?}", tokens);
            }
        }
    }
}
