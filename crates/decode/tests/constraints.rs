//! Constraints of texts, against every text that there is, and against plain searches.

use std::sync::LazyLock;

use attentive_core::TokenId;
use attentive_decode::{
    BeamConfig, BeamRules, Constraints, DecodeError, DecodeRequest, Diversity, Hypothesis, Phrase, Rules, Spelling,
    Typed, alternatives, beam_search, beam_search_with, gnmt_penalty, has_words,
};
use proptest::prelude::*;

use crate::models::{Hashed, Model, Scores};

const EOS: TokenId = 1;
const BOS: TokenId = 7;

/// Pieces that begin a word, that end one, that do neither, and marks.
const TEXTS: [&str; 6] = [" a", "", "b", "a ", " b", ","];

static NO_RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

fn spelling() -> Spelling {
    Spelling::new(TEXTS.map(Vec::from))
}

/// The text of tokens, white space put right by a way of its own: words are joined, and marks cling to both sides.
fn text_of(tokens: &[TokenId]) -> String {
    let text: String = tokens.iter().map(|&token| TEXTS[token as usize]).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(" ,", ",").replace(", ", ",")
}

/// Whether one of two neighbouring characters can't be of the same word.
fn is_between(a: Option<char>, b: Option<char>) -> bool {
    !(a.is_some_and(char::is_alphabetic) && b.is_some_and(char::is_alphabetic))
}

/// Whether tokens have a form of the phrase, between words if `spelled`.
fn has(tokens: &[TokenId], phrase: &Phrase, spelled: bool) -> bool {
    let text_of = |&token: &TokenId| *TEXTS.get(token as usize).unwrap_or(&"c");
    let text = |tokens: &[TokenId]| tokens.iter().map(text_of).collect::<String>();
    phrase.forms.iter().any(|form| {
        (0..=tokens.len()).filter(|&at| tokens[at..].starts_with(form)).any(|at| {
            let (before, after) = (text(&tokens[..at]), text(&tokens[at + form.len()..]));
            let own = text(form);
            let is_whole = is_between(before.chars().last(), own.chars().next())
                && is_between(own.chars().last(), after.chars().next());
            is_whole || !spelled
        })
    })
}

/// Every text of at most `max_len` tokens, with the value that `ranked` gives each token after what is before it.
fn every_text(scores: &Hashed, max_len: usize, ranked: impl Fn(&[TokenId], TokenId, f64) -> f64) -> Vec<Hypothesis> {
    let mut all = Vec::new();
    let mut open = vec![(Vec::new(), Vec::new(), 0.0)];
    for len in 1..=max_len {
        for (written, before, rank) in std::mem::take(&mut open) {
            for (token, next) in (0..).zip(scores.after(&[&[BOS], &written[..]].concat())) {
                if next == f32::NEG_INFINITY {
                    continue;
                }
                let token_log_probs = [&before[..], &[next]].concat();
                let log_prob = token_log_probs.iter().map(|&next| f64::from(next)).sum();
                let score: f64 = rank + ranked(&written, token, next.into());
                if token == EOS {
                    all.push(Hypothesis { tokens: written.clone(), log_prob, token_log_probs, score, finished: true });
                    continue;
                }
                let tokens = [&written[..], &[token]].concat();
                open.push((tokens.clone(), token_log_probs.clone(), score));
                if len == max_len {
                    all.push(Hypothesis { tokens, log_prob, token_log_probs, score, finished: false });
                }
            }
        }
    }
    all
}

/// The best of texts, by the length penalty, first those that end.
fn best(texts: impl IntoIterator<Item = Hypothesis>, alpha: f64) -> Vec<Hypothesis> {
    let penalised = |mut text: Hypothesis| {
        text.score /= gnmt_penalty(text.token_log_probs.len(), alpha);
        text
    };
    let mut texts: Vec<_> = texts.into_iter().map(penalised).collect();
    texts.sort_by(|a, b| b.finished.cmp(&a.finished).then(b.score.total_cmp(&a.score)));
    texts
}

/// The hypotheses of a beam that drops nothing.
fn full(
    scores: &Hashed,
    (max_len, n_best, alpha): (usize, usize, f64),
    prefixes: &[Vec<TokenId>],
    constraints: &Constraints<'_>,
) -> Vec<Hypothesis> {
    let beam = scores.vocab_size.pow(max_len as u32);
    let config = BeamConfig { beam, n_best: n_best.min(beam), length_penalty: alpha, ..BeamConfig::default() };
    let model = Model::new(scores.clone());
    let request = DecodeRequest { prompt: &[BOS], prefixes, eos: EOS, rules: &NO_RULES, max_len: &[max_len] };
    beam_search_with(&model, model.rows(1), &request, &config, constraints).unwrap().remove(0)
}

/// Whether two searches found the same, up to the order of sums.
fn agree(found: &[Hypothesis], expected: &[Hypothesis]) -> bool {
    let is_near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| {
            let is_same = (&a.tokens, &a.token_log_probs, a.finished) == (&b.tokens, &b.token_log_probs, b.finished);
            is_same && is_near(a.log_prob, b.log_prob) && is_near(a.score, b.score)
        })
}

fn hashed(vocab_size: std::ops::Range<usize>) -> impl Strategy<Value = Hashed> {
    let strategy = (vocab_size, any::<u64>(), 1.0..8.0);
    strategy.prop_map(|(vocab_size, seed, sharpness)| Hashed { vocab_size, seed, sharpness, eos: EOS })
}

/// Tokens below 4, none of them the end.
fn tokens(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<TokenId>> {
    prop::collection::vec(prop::sample::select(vec![0, 2, 3]), n)
}

fn phrases(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Phrase>> {
    let phrase = prop::collection::vec(tokens(1..4), 1..3).prop_map(|forms| Phrase { forms });
    prop::collection::vec(phrase, n)
}

fn alpha() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 0.6, 2.0])
}

/// Scores by which every token may follow.
struct Possible(Hashed);

impl Scores for Possible {
    fn vocab_size(&self) -> usize {
        self.0.vocab_size
    }

    fn after(&self, prefix: &[TokenId]) -> Vec<f32> {
        self.0.after(prefix).into_iter().map(|next| next.max(-20.0)).collect()
    }
}

proptest! {
    #[test]
    fn a_full_beam_finds_the_best_text_that_has_the_phrases(
        scores in hashed(4..5), required in phrases(1..4), is_spelled in any::<bool>(), max_len in 1_usize..6,
        n_best in 1_usize..6, alpha in alpha(),
    ) {
        let spelling = Spelling::new(TEXTS[..scores.vocab_size].iter().map(|&text| text.into()));
        let all = every_text(&scores, max_len, |_, _, next| next);
        let have = all.into_iter().filter(|text| required.iter().all(|one| has(&text.tokens, one, is_spelled)));
        let mut expected = best(have, alpha);
        expected.truncate(n_best.min(scores.vocab_size.pow(max_len as u32)));
        let required = [required];
        let constraints = Constraints { required: &required, spelling: is_spelled.then_some(&spelling), ..Constraints::default() };
        let mut found = full(&scores, (max_len, n_best, alpha), &[], &constraints);
        prop_assert!(found.iter().skip(expected.len()).all(|found| !found.finished));
        found.truncate(expected.len());
        prop_assert!(agree(&found, &expected), "{found:?}\n{expected:?}");
    }

    #[test]
    fn a_narrow_beam_has_the_phrases_where_they_have_room(
        scores in hashed(6..30), required in phrases(1..5), is_spelled in any::<bool>(), beam in 1_usize..7,
        extra in 2_usize..8, is_at_beginning in any::<bool>(), rules in prop::sample::select(vec![BeamRules::Gnmt, BeamRules::Early, BeamRules::Never]),
    ) {
        let longest = |phrase: &Phrase| phrase.forms.iter().map(Vec::len).max().unwrap();
        // Words that are marked where they begin, or where they end.
        let marked = if is_at_beginning { [0, 4, 5] } else { [3, 5, 3] };
        let whole = |form: &Vec<TokenId>| form.iter().map(|&token| marked[(token as usize).saturating_sub(1)]).collect();
        let required = if is_spelled {
            required.iter().map(|one| Phrase { forms: one.forms.iter().map(whole).collect() }).collect()
        } else {
            required
        };
        let max_len = required.iter().map(longest).sum::<usize>() + extra;
        let texts = TEXTS.map(Vec::from).into_iter().chain(std::iter::repeat(b"c".to_vec()));
        let spelling = Spelling::new(texts.take(scores.vocab_size));
        let model = Model::new(Possible(scores));
        let required = [required];
        let constraints = Constraints { required: &required, spelling: is_spelled.then_some(&spelling), ..Constraints::default() };
        let request = DecodeRequest { prompt: &[BOS], prefixes: &[], eos: EOS, rules: &NO_RULES, max_len: &[max_len] };
        let config = BeamConfig { beam, rules, ..BeamConfig::default() };
        let found = beam_search_with(&model, model.rows(1), &request, &config, &constraints).unwrap().remove(0);
        if !is_spelled {
            prop_assert!(required[0].iter().all(|one| has(&found[0].tokens, one, false)), "{found:?}");
        } else {
            let text: String = found[0].tokens.iter().map(|&id| TEXTS.get(id as usize).unwrap_or(&"c")).copied().collect();
            for one in &required[0] {
                let has_form = |form: &Vec<TokenId>| {
                    let own: String = form.iter().map(|&id| TEXTS[id as usize]).collect();
                    has_words(&text, own.trim())
                };
                prop_assert!(one.forms.iter().any(has_form), "{text:?} {one:?}");
            }
        }
    }

    #[test]
    fn no_text_has_forbidden_words_however_it_is_cut(
        scores in hashed(6..7), forbidden in prop::sample::subsequence(vec!["a", "b", "ab", "b a", "ba", "a,b"], 1..4),
        max_len in 1_usize..4, n_best in 1_usize..6, alpha in alpha(),
    ) {
        let (spelling, forbidden) = (spelling(), forbidden.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let is_free = |text: &Hypothesis| !forbidden.iter().any(|words| has_words(&text_of(&text.tokens), words));
        let mut expected = best(every_text(&scores, max_len, |_, _, next| next).into_iter().filter(is_free), alpha);
        prop_assume!(!expected.is_empty());
        expected.truncate(n_best.min(scores.vocab_size.pow(max_len as u32)));
        let constraints = Constraints { forbidden: &forbidden, spelling: Some(&spelling), ..Constraints::default() };
        let found = full(&scores, (max_len, n_best, alpha), &[], &constraints);
        // Where no token may follow any text, these are left as they are.
        prop_assert!(found.iter().skip(expected.len()).all(|found| !found.finished));
        let found = &found[..expected.len()];
        prop_assert!(agree(found, &expected), "{found:?}\n{expected:?}");
    }

    #[test]
    fn a_text_goes_on_with_the_typed_word(
        scores in hashed(6..7), prefix in prop::sample::select(vec![vec![], vec![0], vec![3], vec![2, 5]]),
        typed in prop::sample::select(vec!["a", "b", "ba", "aa", "abb", "b,", "a,"]), extra in 1_usize..4, alpha in alpha(),
    ) {
        let spelling = spelling();
        let before = text_of(&prefix);
        let is_typed = |text: &Hypothesis| {
            let text_of_it = text_of(&text.tokens);
            // A mark may cling to what is before it, a word is after a space.
            let space = if before.is_empty() || before.ends_with(',') { "" } else { " " };
            let needs_space = !prefix.is_empty() && !TEXTS[prefix[prefix.len() - 1] as usize].ends_with(' ');
            let has_space = |&token: &TokenId| TEXTS[token as usize].starts_with(' ');
            let begins = text.tokens.get(prefix.len()).is_some_and(|token| match prefix[..] {
                [] => !has_space(token),
                _ => has_space(token) || !needs_space,
            });
            text.tokens.starts_with(&prefix) && begins && text_of_it.starts_with(&format!("{before}{space}{typed}"))
        };
        let max_len = prefix.len() + extra;
        let all = every_text(&scores, max_len, |_, _, next| next);
        let expected = best(all.into_iter().filter(is_typed).filter(|text| text.finished), alpha);
        let typed = [Typed { n_before: prefix.len(), text: typed.to_owned() }];
        let constraints = Constraints { typed: &typed, spelling: Some(&spelling), ..Constraints::default() };
        let found = full(&scores, (max_len, 1, alpha), &[prefix], &constraints);
        let found: Vec<_> = found.into_iter().filter(|text| text.finished).collect();
        prop_assert!(agree(&found, &expected[..expected.len().min(1)]), "{found:?}\n{expected:?}");
    }

    #[test]
    fn a_preferred_prefix_ranks_as_its_mixture_says(
        scores in hashed(4..6), prefix in tokens(1..4), beta in 0.0_f64..0.99, max_len in 3_usize..5, n_best in 1_usize..6,
        alpha in alpha(),
    ) {
        let ranked = |written: &[TokenId], token: TokenId, next: f64| {
            let wanted = prefix.get(written.len()).filter(|_| prefix.starts_with(written));
            let p = next.exp();
            match wanted {
                Some(&wanted) => ((1.0 - beta) * p + if token == wanted { beta } else { 0.0 }).ln(),
                None => p.ln(),
            }
        };
        let mut expected = best(every_text(&scores, max_len, ranked), alpha);
        expected.truncate(n_best.min(scores.vocab_size.pow(max_len as u32)));
        let constraints = Constraints { prefix_bias: Some(beta), ..Constraints::default() };
        let found = full(&scores, (max_len, n_best, alpha), std::slice::from_ref(&prefix), &constraints);
        prop_assert!(agree(&found, &expected), "{found:?}\n{expected:?}");
    }

    #[test]
    fn groups_keep_apart_as_published(
        scores in hashed(3..20), max_len in 1_usize..8, (groups, size) in (1_usize..4, 1_usize..4), penalty in 0.0_f64..3.0,
        alpha in alpha(),
    ) {
        let expected = plain_groups(&scores, max_len, (groups, size), penalty, alpha);
        let config = BeamConfig { beam: groups * size, n_best: size, length_penalty: alpha, ..BeamConfig::default() };
        let constraints = Constraints { diversity: Diversity { groups, penalty }, ..Constraints::default() };
        let model = Model { is_even: false, ..Model::new(scores) };
        let request = DecodeRequest { prompt: &[BOS, BOS + 1], prefixes: &[], eos: EOS, rules: &NO_RULES, max_len: &[max_len, 3] };
        let found = beam_search_with(&model, model.rows(2), &request, &config, &constraints).unwrap().remove(0);
        let of = |found: &[Hypothesis]| found.iter().map(|one| (one.tokens.clone(), one.finished)).collect::<Vec<_>>();
        prop_assert_eq!(of(&found), of(&expected));
        prop_assert!(found.iter().zip(&expected).all(|(a, b)| (a.score - b.score).abs() < 1e-9));
    }

    #[test]
    fn alternatives_are_searches_after_each_of_the_next_tokens(
        scores in hashed(4..20), prefix in tokens(0..3), extra in 1_usize..5, n in 1_usize..5, forced in any::<bool>(),
        is_listed in any::<bool>(),
    ) {
        // No phrases of this sentence, among others that may have some.
        let none = [Vec::new()];
        let constraints = Constraints { required: if is_listed { &none } else { &[] }, ..Constraints::default() };
        let rules = Rules { forced_first: forced.then_some(2), ..Rules::default() };
        let begun: Vec<TokenId> = rules.forced_first.iter().chain(&prefix).copied().collect();
        let max_len = [begun.len() + extra];
        let (model, prefixes) = (Model::new(scores.clone()), [prefix.clone()]);
        let request = DecodeRequest { prompt: &[BOS], prefixes: &prefixes, eos: EOS, rules: &rules, max_len: &max_len };
        let config = BeamConfig { beam: 3, n_best: 2, ..BeamConfig::default() };
        let found = alternatives(&model, || model.rows(1), &request, &config, &constraints, n).unwrap().remove(0);
        let possible = (1..=begun.len()).all(|n| {
            scores.after(&[&[BOS], &begun[..n - 1]].concat())[begun[n - 1] as usize] > f32::NEG_INFINITY
        });
        if !possible {
            prop_assert!(found.is_empty());
            return Ok(());
        }
        let mut next: Vec<(TokenId, f32)> = (0..).zip(scores.after(&[&[BOS], &begun[..]].concat())).collect();
        next.retain(|(_, p)| *p > f32::NEG_INFINITY);
        next.sort_by(|a, b| b.1.total_cmp(&a.1));
        next.truncate(n);
        prop_assert_eq!(found.len(), next.len());
        for (found, (token, _)) in found.iter().zip(next) {
            if token == EOS {
                prop_assert_eq!((&found.tokens, found.finished), (&begun, true));
                continue;
            }
            let prefixes = [[&prefix[..], &[token]].concat()];
            let one = BeamConfig { n_best: 1, ..config.clone() };
            let expected = beam_search(&model, model.rows(1), &DecodeRequest { prefixes: &prefixes, ..request }, &one).unwrap();
            prop_assert_eq!(found, &expected[0][0]);
        }
    }
}

/// Diverse beam search, step by step, every candidate sorted.
fn plain_groups(
    scores: &Hashed,
    max_len: usize,
    (groups, size): (usize, usize),
    penalty: f64,
    alpha: f64,
) -> Vec<Hypothesis> {
    type Text = (Vec<TokenId>, f64);
    let mut live: Vec<Vec<Text>> = vec![vec![(vec![BOS], 0.0)]; groups];
    let mut finished: Vec<Vec<Text>> = vec![Vec::new(); groups];
    let score = |(text, ranked): &Text, end: usize| ranked / gnmt_penalty(text.len() - 1 + end, alpha);
    // A group is over when its best are certain, as any beam.
    let is_over = |live: &[Text], finished: &[Text]| {
        let bound = live.iter().map(|text| text.1 / gnmt_penalty(max_len, alpha)).fold(f64::NEG_INFINITY, f64::max);
        let are_worse = finished.iter().filter(|text| bound <= score(text, 1)).count();
        live.is_empty() || live[0].0.len() > max_len || finished.len() >= size || are_worse >= size
    };
    for _ in 0..max_len {
        let mut chosen: Vec<TokenId> = Vec::new();
        for group in 0..groups {
            if is_over(&live[group], &finished[group]) {
                continue;
            }
            let mut all: Vec<(f64, TokenId, &Vec<TokenId>)> = Vec::new();
            for (text, ranked) in &live[group] {
                for (token, next) in (0..).zip(scores.after(text)).filter(|(_, next)| *next > f32::NEG_INFINITY) {
                    let n_chosen = chosen.iter().filter(|&&other| other == token).count();
                    all.push((ranked + f64::from(next) - penalty * n_chosen as f64, token, text));
                }
            }
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let ended = all.iter().take(size).filter(|(_, token, _)| *token == EOS);
            let ended: Vec<Text> = ended.map(|(ranked, _, text)| ((*text).clone(), *ranked)).collect();
            let open = all.iter().filter(|(_, token, _)| *token != EOS).take(size);
            let longer = |text: &[TokenId], token| [text, &[token]].concat();
            let open: Vec<Text> = open.map(|(ranked, token, text)| (longer(text, *token), *ranked)).collect();
            finished[group].extend(ended);
            live[group] = open;
            if !is_over(&live[group], &finished[group]) {
                chosen.extend(live[group].iter().map(|(text, _)| text[text.len() - 1]));
            }
        }
    }
    let mut all: Vec<Hypothesis> = Vec::new();
    for (live, finished) in live.into_iter().zip(finished) {
        let of = |end: bool| {
            move |text: Text| {
                let score = score(&text, usize::from(end));
                let tokens = text.0[1..].to_vec();
                Hypothesis { tokens, log_prob: 0.0, token_log_probs: Vec::new(), score, finished: end }
            }
        };
        let mut group: Vec<Hypothesis> = finished.into_iter().map(of(true)).collect();
        group.sort_by(|a, b| b.score.total_cmp(&a.score));
        group.extend(live.into_iter().map(of(false)));
        group.truncate(size);
        all.extend(group);
    }
    all.sort_by(|a, b| b.finished.cmp(&a.finished).then(b.score.total_cmp(&a.score)));
    let mut seen = std::collections::HashSet::new();
    all.retain(|one| seen.insert((one.tokens.clone(), one.finished)));
    all.truncate(size);
    all
}

#[test]
fn a_phrase_that_breaks_off_is_begun_again() {
    // "2 2 3" within "2 2 2 3": what is begun goes on one token later.
    struct Twos;
    impl Scores for Twos {
        fn vocab_size(&self) -> usize {
            4
        }
        fn after(&self, prefix: &[TokenId]) -> Vec<f32> {
            let n = prefix.iter().filter(|&&token| token == 2).count();
            if n < 3 { vec![-9.0, -9.0, -0.1, -9.0] } else { vec![-9.0, -0.1, -9.0, -1.0] }
        }
    }
    let model = Model::new(Twos);
    let required = [vec![Phrase::from(vec![2, 2, 3])]];
    let constraints = Constraints { required: &required, ..Constraints::default() };
    let request = DecodeRequest { prompt: &[BOS], prefixes: &[], eos: EOS, rules: &NO_RULES, max_len: &[9] };
    let config = BeamConfig { beam: 4, length_penalty: 0.0, ..BeamConfig::default() };
    let found = beam_search_with(&model, model.rows(1), &request, &config, &constraints).unwrap();
    assert_eq!((&found[0][0].tokens[..], found[0][0].finished), (&[2, 2, 2, 3][..], true));
}

/// All alternatives, where every token may follow every text.
fn every_alternative(prefix: &[TokenId], max_len: usize, constraints: &Constraints<'_>) -> Vec<Hypothesis> {
    let model = Model::new(Possible(Hashed { vocab_size: TEXTS.len(), seed: 1, sharpness: 2.0, eos: EOS }));
    let (prefixes, max_len) = ([prefix.to_vec()], [max_len]);
    let request = DecodeRequest { prompt: &[BOS], prefixes: &prefixes, eos: EOS, rules: &NO_RULES, max_len: &max_len };
    let config = BeamConfig { beam: 8, ..BeamConfig::default() };
    alternatives(&model, || model.rows(1), &request, &config, constraints, TEXTS.len()).unwrap().remove(0)
}

#[test]
fn a_prefix_that_fills_its_text_is_the_only_alternative() {
    let found = every_alternative(&[2, 3], 2, &Constraints::default());
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&one.tokens[..], one.finished), (&[2, 3][..], false));
}

#[test]
fn an_alternative_is_the_end_where_no_phrase_is_missing() {
    let required = [vec![Phrase::from(vec![4])]];
    let constraints = Constraints { required: &required, ..Constraints::default() };
    for (prefix, may_end) in [([4], true), ([2], false)] {
        let found = every_alternative(&prefix, 6, &constraints);
        assert_eq!(found.len(), TEXTS.len() - usize::from(!may_end), "{found:?}");
        assert_eq!(found.iter().any(|one| one.finished && one.tokens == prefix), may_end, "{found:?}");
    }
}

#[test]
fn an_alternative_begins_as_a_forbidden_word_does_if_it_may_go_on() {
    let (spelling, forbidden) = (spelling(), ["a".to_owned()]);
    let constraints = Constraints { forbidden: &forbidden, spelling: Some(&spelling), ..Constraints::default() };
    // " a" may become " ab".
    let begins = |max_len: usize| {
        let found = every_alternative(&[], max_len, &constraints);
        assert!(found.iter().all(|one| !has_words(&text_of(&one.tokens), "a")), "{found:?}");
        found.iter().any(|one| one.tokens.first() == Some(&0))
    };
    assert_eq!([1, 3].map(begins), [false, true]);
}

#[test]
fn words_are_whole_where_letters_end() {
    for (text, phrase, is_there) in [
        ("Das Haus.", "Haus", true),
        ("Haustür und Haus", "Haus", true),
        ("Haustür", "Haus", false),
        ("„Haus“", "Haus", true),
        ("Überhaus", "haus", false),
        ("in New York", "New York", true),
        ("in New Yorks", "New York", false),
        ("ba a a", "a a", true),
        ("我爱北京", "北京", true),
        ("", "a", false),
    ] {
        assert_eq!(has_words(text, phrase), is_there, "{phrase:?} in {text:?}");
    }
}

#[test]
fn constraints_at_odds_are_refused() {
    let model = Model::new(Hashed { vocab_size: 6, seed: 1, sharpness: 2.0, eos: EOS });
    let rules = Rules { suppressed: vec![4], bad_words: vec![vec![0, 2]], ..Rules::default() };
    let request = DecodeRequest { prompt: &[BOS], prefixes: &[], eos: EOS, rules: &rules, max_len: &[9] };
    let refusal = |constraints: Constraints<'_>| {
        beam_search_with(&model, model.rows(1), &request, &BeamConfig::default(), &constraints).unwrap_err()
    };
    let with = |form: Vec<TokenId>| refusal(Constraints { required: &[vec![form.into()]], ..Constraints::default() });
    assert!(matches!(with(vec![]), DecodeError::ImpossiblePhrase { .. }));
    assert!(matches!(with(vec![3, 4]), DecodeError::ImpossiblePhrase { .. }));
    assert!(matches!(with(vec![3, 0, 2]), DecodeError::ImpossiblePhrase { .. }));
    assert!(matches!(with(vec![EOS]), DecodeError::ForcedEnd { .. }));
    assert!(matches!(with(vec![6]), DecodeError::UnknownToken { id: 6, .. }));
    let two = [vec![], vec![]];
    assert!(matches!(
        refusal(Constraints { required: &two, ..Constraints::default() }),
        DecodeError::ConstraintCount { .. }
    ));
    let forbidden = ["a".to_owned()];
    assert!(matches!(
        refusal(Constraints { forbidden: &forbidden, ..Constraints::default() }),
        DecodeError::Spelling { .. }
    ));
    for beta in [1.0, -0.1, f64::NAN] {
        let refused = refusal(Constraints { prefix_bias: Some(beta), ..Constraints::default() });
        assert!(matches!(refused, DecodeError::Setting { key: "prefix_bias", .. }));
    }
    let groups =
        |groups, penalty| refusal(Constraints { diversity: Diversity { groups, penalty }, ..Constraints::default() });
    assert!(matches!(groups(3, 1.0), DecodeError::Groups { groups: 3, beam: 4 }));
    assert!(matches!(groups(0, 1.0), DecodeError::Groups { .. }));
    assert!(matches!(groups(2, -1.0), DecodeError::Setting { key: "diversity", .. }));
    let (start, config) = (|| model.rows(1), BeamConfig::default());
    assert!(alternatives(&model, start, &request, &config, &Constraints::default(), 0).is_err());
    let biased = Constraints { prefix_bias: Some(0.5), ..Constraints::default() };
    assert!(alternatives(&model, start, &request, &config, &biased, 2).is_err());
}
