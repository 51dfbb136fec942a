//! Laws that hold for every text.

use std::collections::HashMap;

use attentive_metrics::{
    Accumulator, Bleu, BleuTokenizer, Chrf, Interval, Metric, MetricError, PairedTest, PaperBleu, Resampling, Scorer,
    Segment, Smoothing, Ter, confidence_interval,
};
use proptest::{collection::vec, prelude::*};

/// A line of words from a small vocabulary, so that n-grams repeat.
fn line() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!["a", "b", "c", "d", "e-f", "g.", "7,5"]), 0..14).prop_map(|words| words.join(" "))
}

/// Hypotheses and two streams of references.
fn corpus() -> impl Strategy<Value = (Vec<String>, [Vec<String>; 2])> {
    vec((line(), line(), line()), 1..8).prop_map(|lines| {
        let (mut hypotheses, mut references) = (Vec::new(), [Vec::new(), Vec::new()]);
        for (hypothesis, first, second) in lines {
            hypotheses.push(hypothesis);
            references[0].push(first);
            references[1].push(second);
        }
        (hypotheses, references)
    })
}

fn any_bleu() -> impl Strategy<Value = Bleu> {
    let tokenizers = ["13a", "intl", "zh", "char", "none"].map(|name| name.parse::<BleuTokenizer>().unwrap());
    let smoothings = [Smoothing::Exp, Smoothing::Floor(0.1), Smoothing::AddK(1.0), Smoothing::None];
    (prop::sample::select(tokenizers.to_vec()), prop::sample::select(smoothings.to_vec()), any::<[bool; 2]>(), 0..7u8)
        .prop_map(|(tokenizer, smoothing, [effective_order, lowercase], max_order)| Bleu {
            tokenizer,
            smoothing,
            effective_order,
            lowercase,
            max_order,
            force: false,
        })
}

fn any_chrf() -> impl Strategy<Value = Chrf> {
    (1..7u8, 0..3u8, 0..4u32, any::<[bool; 3]>()).prop_map(
        |(char_order, word_order, beta, [lowercase, whitespace, eps_smoothing])| Chrf {
            char_order,
            word_order,
            beta,
            lowercase,
            whitespace,
            eps_smoothing,
        },
    )
}

fn any_ter() -> impl Strategy<Value = Ter> {
    any::<[bool; 4]>().prop_map(|[normalized, no_punct, asian_support, case_sensitive]| Ter {
        normalized,
        no_punct,
        asian_support,
        case_sensitive,
    })
}

fn value<S: Scorer>(scorer: &S, hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    let sums = scorer.statistics(hypotheses, references).unwrap().sums();
    scorer.value(&sums).get()
}

fn accumulate<S: Scorer>(scorer: S, hypotheses: &[String], references: &[Vec<String>]) -> Accumulator<S> {
    let mut accumulator = Accumulator::new(scorer);
    for (idx, hypothesis) in hypotheses.iter().enumerate() {
        let references: Vec<_> = references.iter().map(|stream| stream[idx].as_str()).collect();
        accumulator.add(Segment { hypothesis, references: &references });
    }
    accumulator
}

/// Merging the parts of a corpus in any order gives the score of the whole.
fn check_merge<S: Scorer + Clone>(scorer: &S, hypotheses: &[String], references: &[Vec<String>]) {
    let whole = value(scorer, hypotheses, references);
    let half = hypotheses.len() / 2;
    let head: Vec<_> = references.iter().map(|stream| stream[..half].to_vec()).collect();
    let tail: Vec<_> = references.iter().map(|stream| stream[half..].to_vec()).collect();
    let mut merged = accumulate(scorer.clone(), &hypotheses[half..], &tail);
    merged.merge(accumulate(scorer.clone(), &hypotheses[..half], &head));
    assert!((merged.value().unwrap() - whole).abs() < 1e-9);
    assert_eq!(merged.signature().unwrap(), scorer.signature(references.len()));
}

/// Matches and lengths, counted naively: `[hyp_len, matches.., totals..]`.
fn naive_counts(hypothesis: &str, references: &[&str]) -> Vec<f64> {
    fn ngrams<'a>(line: &'a str, order: usize) -> HashMap<Vec<&'a str>, usize> {
        let tokens: Vec<&'a str> = line.split(' ').filter(|token| !token.is_empty()).collect();
        let mut counts = HashMap::new();
        for ngram in tokens.windows(order) {
            *counts.entry(ngram.to_vec()).or_default() += 1;
        }
        counts
    }
    let mut counts = vec![ngrams(hypothesis, 1).values().sum::<usize>()];
    for order in 1..=4 {
        let references: Vec<_> = references.iter().map(|line| ngrams(line, order)).collect();
        let most = |ngram| references.iter().filter_map(|counts| counts.get(ngram)).max().copied().unwrap_or(0);
        counts.push(ngrams(hypothesis, order).iter().map(|(ngram, &count)| count.min(most(ngram))).sum());
    }
    for order in 1..=4 {
        counts.push(ngrams(hypothesis, order).values().sum());
    }
    counts.into_iter().map(|count| count as f64).collect()
}

/// The edit distance without shifts.
fn levenshtein(a: &[&str], b: &[&str]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

proptest! {
    #[test]
    fn a_text_is_its_own_best_translation(text in "\\PC*[a-z]{6}\\PC*", bleu in any_bleu(), chrf in any_chrf()) {
        let bleu = Bleu { effective_order: true, max_order: bleu.max_order.max(1), ..bleu };
        prop_assert!((bleu.sentence(&text, &[&text]).unwrap().score - 100.0).abs() < 1e-9);
        let chrf = Chrf { eps_smoothing: false, ..chrf };
        prop_assert!((chrf.sentence(&text, &[&text]).unwrap().score - 100.0).abs() < 1e-9);
        prop_assert_eq!(Ter::default().sentence(&text, &[&text]).unwrap().score, 0.0);
    }

    #[test]
    fn no_text_and_no_option_makes_a_score_panic_or_leave_its_range(
        hypothesis in any::<String>(),
        references in vec(any::<String>(), 1..3),
        bleu in any_bleu(),
        chrf in any_chrf(),
        ter in any_ter(),
    ) {
        let percent = 0.0..=100.0 + 1e-9;
        prop_assert!(percent.contains(&bleu.sentence(&hypothesis, &references).unwrap().score));
        prop_assert!(percent.contains(&chrf.sentence(&hypothesis, &references).unwrap().score));
        prop_assert!(ter.sentence(&hypothesis, &references).unwrap().score >= 0.0);
        let paper = PaperBleu { split_compounds: true, lowercase: bleu.lowercase };
        prop_assert!(percent.contains(&paper.sentence(&hypothesis, &references).unwrap().0.score));
    }

    #[test]
    fn parts_merge_into_the_whole((hypotheses, references) in corpus(), bleu in any_bleu(), chrf in any_chrf(), ter in any_ter()) {
        check_merge(&bleu, &hypotheses, &references);
        check_merge(&chrf, &hypotheses, &references);
        check_merge(&ter, &hypotheses, &references);
    }

    #[test]
    fn the_order_of_segments_and_of_references_is_irrelevant((hypotheses, references) in corpus(), bleu in any_bleu()) {
        let backwards = |lines: &Vec<String>| lines.iter().rev().cloned().collect::<Vec<_>>();
        let [first, second] = &references;
        let swapped = [backwards(second), backwards(first)];
        prop_assert_eq!(value(&bleu, &hypotheses, &references), value(&bleu, &backwards(&hypotheses), &swapped));
        let ter = Ter::default();
        prop_assert_eq!(value(&ter, &hypotheses, &references), value(&ter, &backwards(&hypotheses), &swapped));
    }

    #[test]
    fn hypothesis_and_reference_may_change_places_in_f1(left in line(), right in line()) {
        let chrf = Chrf { beta: 1, word_order: 2, ..Chrf::default() };
        let there = chrf.sentence(&left, &[&right]).unwrap().score;
        let back = chrf.sentence(&right, &[&left]).unwrap().score;
        prop_assert!((there - back).abs() < 1e-9);
    }

    #[test]
    fn bleu_counts_what_plain_counting_counts(hypothesis in line(), references in vec(line(), 1..4)) {
        let bleu = Bleu { tokenizer: BleuTokenizer::None, ..Bleu::default() };
        let streams: Vec<_> = references.iter().map(|line| [line]).collect();
        let statistics = bleu.statistics(&[&hypothesis], &streams).unwrap().sums();
        let references: Vec<_> = references.iter().map(String::as_str).collect();
        let naive = naive_counts(&hypothesis, &references);
        prop_assert_eq!(statistics[0], naive[0]);
        prop_assert_eq!(&statistics[2..], &naive[1..]);
    }

    #[test]
    fn shifts_only_ever_help(hypothesis in line(), reference in line()) {
        let n_edits = Ter::default().sentence(&hypothesis, &[&reference]).unwrap().n_edits as usize;
        let [hypothesis, reference] = [&hypothesis, &reference].map(|line| line.split_whitespace().collect::<Vec<_>>());
        prop_assert!(n_edits <= levenshtein(&hypothesis, &reference));
        prop_assert!(n_edits >= hypothesis.len().abs_diff(reference.len()));
    }

    #[test]
    fn another_reference_never_adds_edits(hypothesis in line(), references in vec(line(), 2..4)) {
        let edits = |references: &[String]| Ter::default().sentence(&hypothesis, references).unwrap().n_edits;
        prop_assert!(edits(&references) <= edits(&references[..1]));
    }

    #[test]
    fn a_paired_bootstrap_takes_no_side((left, references) in corpus(), seed: u64) {
        let right: Vec<_> = references[1].clone();
        let bleu = Bleu::default();
        let [left, right] = [left, right].map(|hypotheses| bleu.statistics(&hypotheses, &references[..1]).unwrap());
        let test = PairedTest { n_samples: 60, seed, ..PairedTest::bootstrap() };
        let there = test.compare(&bleu, &left, &right).unwrap();
        let back = test.compare(&bleu, &right, &left).unwrap();
        prop_assert_eq!(there.p_value, back.p_value);
        prop_assert_eq!((there.baseline, there.system), (back.system, back.baseline));
        prop_assert!(there.p_value > 0.0 && there.p_value <= 1.0);
        let Interval { half_width, .. } = confidence_interval(&bleu, &left, 60, seed).unwrap();
        prop_assert_eq!(there.baseline.interval.unwrap().half_width, half_width);
    }
}

#[test]
fn what_does_not_fit_together_is_an_error() {
    let bleu = Bleu::default();
    let none: [&str; 0] = [];
    assert_eq!(bleu.corpus(&none, &[none]), Err(MetricError::EmptyCorpus));
    assert_eq!(bleu.corpus::<_, [&str; 1], _>(&["a"], &[]), Err(MetricError::NoReferences));
    assert_eq!(bleu.sentence("a", &none), Err(MetricError::NoReferences));
    assert_eq!(
        bleu.corpus(&["a", "b"], &[vec!["a", "b"], vec!["a"]]),
        Err(MetricError::Misaligned { stream: 2, expected: 2, got: 1 })
    );
    let nothing = Chrf { char_order: 0, ..Chrf::default() };
    assert_eq!(nothing.corpus(&["a"], &[["a"]]), Err(MetricError::NothingToCount));
    assert_eq!(nothing.sentence("a", &["a"]), Err(MetricError::NothingToCount));

    let [one, two] = [1, 2].map(|n| bleu.statistics(&vec!["a"; n], &[vec!["a"; n]]).unwrap());
    assert_eq!(
        PairedTest::bootstrap().compare(&bleu, &one, &two),
        Err(MetricError::Unpaired { baseline: 1, system: 2 })
    );
    let test = PairedTest { method: Resampling::Randomization { n_confidence: 0 }, n_samples: 0, seed: 1 };
    assert_eq!(test.compare(&bleu, &one, &one), Err(MetricError::NoSamples));
    assert_eq!(confidence_interval(&bleu, &one, 0, 1), Err(MetricError::NoSamples));
    assert!("14a".parse::<BleuTokenizer>().is_err());
    assert!(Smoothing::from_name("linear", None).is_err());
    for (method, value) in [("exp", 0.3), ("none", 0.0), ("floor", -1.0), ("add-k", f64::NAN), ("floor", f64::INFINITY)]
    {
        let refused = Smoothing::from_name(method, Some(value));
        assert!(matches!(refused, Err(MetricError::SmoothingValue { .. })), "{method} {value}: {refused:?}");
    }
    assert_eq!(Smoothing::from_name("add-k", Some(0.0)), Ok(Smoothing::AddK(0.0)));
}
