//! Equality with sacreBLEU 2.6 on the texts of `tests/golden/corpora.py`.

use attentive_metrics::{
    Accumulator, Bleu, BleuTokenizer, Chrf, Confusion, ErrorRate, Interval, Metric, PairedTest, PaperBleu, Resampling,
    Scorer, Segment, Smoothing, Ter, Tokenize, confidence_interval,
};
use attentive_testkit::{Area, Comparison, Golden};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden().path(name)).unwrap()).unwrap()
}

fn cases(name: &str) -> Vec<Value> {
    golden().cases(name)
}

fn comparison(what: &str) -> Comparison {
    Comparison::new(Area::Scores, what, format!("sacreBLEU {}", golden().version("sacrebleu")), TOLERANCE)
}

fn strings(lines: &Value) -> Vec<String> {
    lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap().into()).collect()
}

/// The text of a case.
struct Corpus {
    hypotheses: Vec<String>,
    other: Vec<String>,
    references: Vec<Vec<String>>,
}

impl Corpus {
    fn of(case: &Value, corpora: &Value) -> Self {
        let corpus = &corpora[case["corpus"].as_str().unwrap()];
        let streams = corpus["references"].as_array().unwrap();
        Self {
            hypotheses: strings(&corpus["hypotheses"]),
            other: strings(&corpus["other"]),
            references: streams[..n_refs(case)].iter().map(strings).collect(),
        }
    }
}

fn n_refs(case: &Value) -> usize {
    case["n_refs"].as_u64().unwrap() as usize
}

#[track_caller]
fn compare(comparison: &mut Comparison, got: f64, expected: &Value, what: &str) {
    comparison.case(what, (got - expected.as_f64().unwrap()).abs());
}

/// Corpus score, line, signatures and sentence scores of every case in a file.
fn check_scores<S: Scorer>(what: &str, file: &str, configure: impl Fn(&Value) -> S) {
    let mut comparison = comparison(what);
    let corpora = read("corpora.json");
    for case in cases(file) {
        let scorer = configure(&case["options"]);
        let corpus = Corpus::of(&case, &corpora);
        let what =
            format!("{} of {} with {} references", scorer.signature(n_refs(&case)), case["corpus"], case["n_refs"]);

        let sums = scorer.statistics(&corpus.hypotheses, &corpus.references).unwrap().sums();
        compare(&mut comparison, scorer.value(&sums).get(), &case["score"], &what);
        let line = scorer.corpus(&corpus.hypotheses, &corpus.references).unwrap().to_string();
        assert_eq!(line, case["line"].as_str().unwrap(), "{what}");

        let signature = scorer.signature(n_refs(&case));
        assert_eq!(signature.to_string(), case["signature"].as_str().unwrap());
        assert_eq!(format!("{signature:#}"), case["short"].as_str().unwrap());

        for (idx, expected) in case["sentences"].as_array().unwrap().iter().enumerate() {
            let references: Vec<_> = corpus.references.iter().map(|stream| [&stream[idx]]).collect();
            let sums = scorer.statistics(&corpus.hypotheses[idx..=idx], &references).unwrap().sums();
            compare(&mut comparison, scorer.value(&sums).get(), expected, &format!("{what}, sentence {idx}"));
        }
    }
    comparison.report();
}

fn is_set(options: &Value, name: &str) -> bool {
    options[name].as_bool().unwrap_or(false)
}

fn number(options: &Value, name: &str, default: u8) -> u8 {
    options[name].as_u64().map_or(default, |n| n as u8)
}

fn bleu(options: &Value) -> Bleu {
    Bleu {
        tokenizer: options["tokenize"].as_str().unwrap_or("13a").parse().unwrap(),
        smoothing: Smoothing::from_name(
            options["smooth_method"].as_str().unwrap_or("exp"),
            options["smooth_value"].as_f64(),
        )
        .unwrap(),
        effective_order: is_set(options, "effective_order"),
        lowercase: is_set(options, "lowercase"),
        max_order: number(options, "max_ngram_order", 4),
        force: false,
    }
}

fn chrf(options: &Value) -> Chrf {
    Chrf {
        char_order: number(options, "char_order", 6),
        word_order: number(options, "word_order", 0),
        beta: number(options, "beta", 2).into(),
        lowercase: is_set(options, "lowercase"),
        whitespace: is_set(options, "whitespace"),
        eps_smoothing: is_set(options, "eps_smoothing"),
    }
}

fn ter(options: &Value) -> Ter {
    Ter {
        normalized: is_set(options, "normalized"),
        no_punct: is_set(options, "no_punct"),
        asian_support: is_set(options, "asian_support"),
        case_sensitive: is_set(options, "case_sensitive"),
    }
}

#[test]
fn bleu_equals_sacrebleu() {
    check_scores("BLEU of corpora and sentences", "bleu.json", bleu);
}

#[test]
fn chrf_equals_sacrebleu() {
    check_scores("chrF and chrF++ of corpora and sentences", "chrf.json", chrf);
}

#[test]
fn ter_equals_sacrebleu() {
    check_scores("TER of corpora and sentences", "ter.json", ter);
}

#[test]
fn varying_numbers_of_references_equal_sacrebleu() {
    let cases = cases("varying.json");
    check_varying(Bleu::default(), &cases[0]);
    check_varying(Chrf::default(), &cases[1]);
    check_varying(Ter::default(), &cases[2]);
}

fn check_varying<S: Scorer>(scorer: S, case: &Value) {
    let corpus = &read("corpora.json")["european"];
    let [first, second] = [0, 1].map(|stream| strings(&corpus["references"][stream]));
    let mut accumulator = Accumulator::new(scorer);
    for (idx, hypothesis) in strings(&corpus["hypotheses"]).iter().enumerate() {
        let references = [first[idx].as_str(), second[idx].as_str()];
        accumulator.add(Segment { hypothesis, references: &references[..1 + idx % 2] });
    }
    assert_eq!(accumulator.score().unwrap().to_string(), case["line"].as_str().unwrap());
    assert_eq!(accumulator.signature().unwrap().to_string(), case["signature"].as_str().unwrap());
}

#[test]
fn paper_bleu_equals_unsmoothed_bleu_of_prepared_text() {
    let corpora = read("corpora.json");
    let mut comparison = comparison("BLEU of prepared text, compounds split");
    for case in cases("paper_bleu.json") {
        let corpus = Corpus::of(&case, &corpora);
        let bleu = PaperBleu { split_compounds: is_set(&case, "split_compounds"), ..PaperBleu::default() };
        let score = bleu.corpus(&corpus.hypotheses, &corpus.references).unwrap();
        compare(&mut comparison, score.0.score, &case["score"], &case.to_string());
        assert_eq!(score.to_string(), case["line"].as_str().unwrap());
    }
    comparison.report();
}

#[test]
fn tokens_equal_sacrebleus() {
    let mut comparison = comparison("tokens of 13a, intl, zh, char");
    for case in cases("tokenize.json") {
        let tokenizer: BleuTokenizer = case["tokenizer"].as_str().unwrap().parse().unwrap();
        let line = case["line"].as_str().unwrap();
        let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let tokenized = tokenizer.tokenize(line);
        let tokens: Vec<_> = tokenized.split(is_space).filter(|token| !token.is_empty()).collect();
        comparison.equal(format!("{tokenizer:?} of {line:?}"), &tokens, &strings(&case["tokens"]));
    }
    comparison.report();
}

#[test]
fn significance_equals_sacrebleu() {
    let corpora = read("corpora.json");
    let mut comparison = comparison("significance: p-values and intervals");
    for case in cases("significance.json") {
        let corpus = Corpus::of(&case, &corpora);
        match case["metric"].as_str().unwrap() {
            "bleu" => check_significance(&mut comparison, &case, &corpus, &Bleu::default()),
            "bleu-floor" => {
                check_significance(
                    &mut comparison,
                    &case,
                    &corpus,
                    &Bleu { smoothing: Smoothing::Floor(0.1), ..Bleu::default() },
                );
            }
            "bleu-add-k" => {
                check_significance(
                    &mut comparison,
                    &case,
                    &corpus,
                    &Bleu { smoothing: Smoothing::AddK(1.0), ..Bleu::default() },
                );
            }
            "chrf" => check_significance(&mut comparison, &case, &corpus, &Chrf::default()),
            "chrf-eps" => {
                check_significance(
                    &mut comparison,
                    &case,
                    &corpus,
                    &Chrf { word_order: 2, eps_smoothing: true, ..Chrf::default() },
                );
            }
            "ter" => check_significance(&mut comparison, &case, &corpus, &Ter::default()),
            metric => panic!("no metric {metric}"),
        }
    }
    comparison.report();
}

fn check_significance<S: Scorer>(comparison: &mut Comparison, case: &Value, corpus: &Corpus, scorer: &S) {
    let what = case.to_string();
    let baseline = scorer.statistics(&corpus.hypotheses, &corpus.references).unwrap();
    let system = scorer.statistics(&corpus.other, &corpus.references).unwrap();
    let n_samples = case["n_samples"].as_u64().unwrap() as usize;
    let seed = attentive_metrics::DEFAULT_SEED;
    let signature = scorer.signature(baseline.n_refs());
    let (signature, intervals) = match case["test"].as_str().unwrap() {
        "single" => {
            let interval = confidence_interval(scorer, &system, n_samples, seed).unwrap();
            (signature.with_bootstrap(n_samples, seed), vec![Some(interval)])
        }
        test => {
            let n_confidence = case["n_confidence"].as_u64().unwrap() as usize;
            let (method, signature) = if test == "bs" {
                (Resampling::Bootstrap, signature.with_bootstrap(n_samples, seed))
            } else if n_confidence == 0 {
                (Resampling::Randomization { n_confidence }, signature.with_randomization(n_samples, seed))
            } else {
                let signature = signature.with_randomization(n_samples, seed).with_bootstrap(n_confidence, seed);
                (Resampling::Randomization { n_confidence }, signature)
            };
            let paired = PairedTest { method, n_samples, seed }.compare(scorer, &baseline, &system).unwrap();
            compare(comparison, paired.p_value, &case["p_value"], &what);
            (signature, vec![paired.baseline.interval, paired.system.interval])
        }
    };
    assert_eq!(signature.to_string(), case["signature"].as_str().unwrap());
    for (interval, expected) in intervals.into_iter().zip(case["intervals"].as_array().unwrap()) {
        if let Some(Interval { mean, half_width }) = interval {
            compare(comparison, mean, &expected[0], &what);
            compare(comparison, half_width, &expected[1], &what);
        } else {
            assert!(expected.is_null(), "{what}");
        }
    }
}

#[test]
fn error_rates_equal_jiwer() {
    let case = read("error_rate.json");
    let (references, hypotheses) = (strings(&case["references"]), strings(&case["hypotheses"]));
    let against = format!("jiwer {}", golden().version("jiwer"));
    let mut comparison = Comparison::new(Area::Scores, "word and character error rates", against, TOLERANCE);
    for (scorer, unit) in [(ErrorRate::words(), "words"), (ErrorRate::characters(), "characters")] {
        let corpus = scorer.corpus(&hypotheses, &[&references[..]]).unwrap();
        compare(&mut comparison, corpus.score / 100.0, &case["corpus"][unit], unit);
        for (idx, (hypothesis, reference)) in hypotheses.iter().zip(&references).enumerate() {
            let score = scorer.sentence(hypothesis, &[reference]).unwrap().score / 100.0;
            compare(&mut comparison, score, &case["segments"][idx][unit], hypothesis);
        }
    }
    comparison.report();
    assert_eq!(ErrorRate::words().signature(1).to_string(), "nrefs:1|unit:words|like:jiwer|version:4.0.0");
}

#[test]
fn classification_scores_equal_scikit_learns() {
    let against = format!("scikit-learn {}", golden().version("scikit-learn"));
    let mut comparison = Comparison::new(Area::Scores, "accuracy, Matthews correlation, macro F1", against, TOLERANCE);
    for case in cases("confusion.json") {
        let classes = |key: &str| {
            case[key].as_array().unwrap().iter().map(|class| class.as_u64().unwrap() as usize).collect::<Vec<_>>()
        };
        let n_classes = case["n_classes"].as_u64().unwrap() as usize;
        let pairs = || classes("classes").into_iter().zip(classes("guesses"));
        // Each half counted on its own, then merged.
        let mut halves = [Confusion::new(n_classes), Confusion::new(n_classes)];
        pairs().enumerate().for_each(|(at, pair)| halves[at % 2].add(pair));
        let [mut confusion, other] = halves;
        confusion.merge(other);
        let name = case["name"].as_str().unwrap();
        let scores =
            [("accuracy", confusion.value()), ("matthews", confusion.matthews()), ("macro_f1", confusion.macro_f1())];
        for (key, score) in scores {
            compare(&mut comparison, score.unwrap(), &case[key], &format!("{name}: {key}"));
        }
    }
    comparison.report();
    let empty = Confusion::new(2);
    assert_eq!([empty.value(), empty.matthews(), empty.macro_f1()], [None; 3]);
}
