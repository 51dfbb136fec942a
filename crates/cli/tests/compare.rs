//! `attentive compare` against sacreBLEU's paired tests, and what it says of bad input.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Folder, contains};

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../metrics/tests/golden").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The files `a`, `b` and `r1` to `r3` of a golden corpus.
fn write_corpus(folder: &Folder, name: &str) {
    let corpus = &golden("corpora.json")[name];
    let text = |lines: &Value| -> String {
        lines.as_array().unwrap().iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect()
    };
    folder.write("a", &text(&corpus["hypotheses"]));
    folder.write("b", &text(&corpus["other"]));
    for (idx, stream) in corpus["references"].as_array().unwrap().iter().enumerate() {
        folder.write(&format!("r{}", idx + 1), &text(stream));
    }
}

fn close(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    assert!((found - expected).abs() <= 1e-9, "{what}: {found} is not {expected}");
}

#[test]
fn paired_tests_equal_sacrebleu_s() {
    let folder = Folder::new();
    write_corpus(&folder, "shuffled");
    let options: [(&str, &[&str]); 6] = [
        ("bleu", &[]),
        ("bleu-floor", &["--smooth-method", "floor"]),
        ("bleu-add-k", &["--smooth", "add-k"]),
        ("chrf", &["--metric", "chrf"]),
        ("chrf-eps", &["--metric", "chrf++", "--chrf-eps-smoothing"]),
        ("ter", &["--metrics", "ter"]),
    ];
    let mut n_cases = 0;
    for case in golden("significance.json").as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        // A single system is not a comparison; TER's ties with three references are sacreBLEU's BLAS's.
        let is_blas = text("metric") == "ter" && text("test") == "ar" && case["n_refs"] == 3;
        if text("corpus") != "shuffled" || text("test") == "single" || is_blas {
            continue;
        }
        let samples = case["n_samples"].to_string();
        let confidence = case["n_confidence"].to_string();
        let mut args = vec!["compare", "a", "b", "--json", "--samples", &samples];
        for reference in &["r1", "r2", "r3"][..case["n_refs"].as_u64().unwrap() as usize] {
            args.extend(["--reference", reference]);
        }
        if text("test") == "ar" {
            args.push("--paired-ar");
            if case["n_confidence"].as_u64() > Some(0) {
                args.extend(["--confidence-n", &confidence]);
            }
        }
        args.extend(options.iter().find(|(name, _)| *name == text("metric")).unwrap().1);
        let report: Value = serde_json::from_str(&folder.succeed(&args, "")).unwrap();
        let metric = &report["metrics"][0];
        let what = case.to_string();
        assert_eq!(metric["signature"], case["signature"], "{what}");
        close(&metric["systems"][0]["p_value"], &case["p_value"], &what);
        for (system, expected) in [(&metric["baseline"], 0), (&metric["systems"][0], 1)] {
            match &case["intervals"][expected] {
                Value::Null => assert!(system["mean"].is_null(), "{what}"),
                interval => {
                    close(&system["mean"], &interval[0], &what);
                    close(&system["ci"], &interval[1], &what);
                }
            }
        }
        n_cases += 1;
    }
    assert!(n_cases > 30, "{n_cases}");
}

#[test]
fn the_table_says_whether_a_difference_is_real() {
    let folder = Folder::new();
    write_corpus(&folder, "shuffled");
    let shown = folder.succeed(&["compare", "a", "b", "a", "--reference", "r1", "--metric", "bleu,ter"], "");
    contains(
        &shown,
        &[
            "BLEU (nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0)",
            "95 % interval",
            "58.93 ± 3.65",
            "0.0420 *",
            "b is worse than a by",
            "The difference is real: p = 0.0420, below 0.05.",
            "a and a score the same.",
            "TER (nrefs:1|bs:1000|",
        ],
    );
    let few = folder.succeed(&["compare", "a", "b", "--reference", "r1", "--samples", "7"], "");
    contains(&few, &["That may be chance: p = 0.2500, not below 0.05."]);
    // A lower error rate is the better one.
    let ter = folder.succeed(&["compare", "r1", "a", "--reference", "r1", "--metric", "ter"], "");
    contains(&ter, &["a is worse than r1 by"]);
}

#[test]
fn the_two_kinds_of_bleu_are_told_apart() {
    let folder = Folder::new();
    folder.write("a", "der Müll-Eimer steht dort .\n");
    folder.write("b", "der Eimer steht dort .\n");
    let args = ["compare", "a", "b", "--reference", "a", "--metric", "bleu,paper-bleu", "--split-compounds"];
    let shown = folder.succeed(&args, "");
    contains(&shown, &["atat:yes|like:multi-bleu.perl", "a: Two scores of one translation: 100.00 tokenized BLEU"]);
}

/// BLEU with a model's pieces is BLEU of the text that was cut before.
#[test]
fn a_sentencepiece_model_makes_the_tokens() {
    let folder = Folder::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tokenizer/tests/golden");
    let model = golden.join("sentencepiece.unigram.model");
    let model = model.to_str().unwrap();
    let corpus = fs::read_to_string(golden.join("corpus.txt")).unwrap();
    let with_words = |change: fn(&mut Vec<&str>)| -> String {
        let line = |line: &str| {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            change(&mut words);
            words.join(" ") + "\n"
        };
        corpus.lines().take(40).map(line).collect()
    };
    folder.write("r", &with_words(|_| {}));
    folder.write("a", &with_words(|words| words.truncate(6)));
    folder.write("b", &with_words(|words| words.rotate_left(1)));
    for name in ["r", "a", "b"] {
        let pieces = folder.succeed(&["tokenize", "encode", name, "-t", model, "--format", "pieces"], "");
        folder.write(&format!("{name}.pieces"), &pieces);
    }
    let compare = |args: &[&str]| -> Value {
        serde_json::from_str(&folder.succeed(&[&["compare", "--json", "--force"], args].concat(), "")).unwrap()
    };
    let cut = compare(&["a.pieces", "b.pieces", "--reference", "r.pieces", "--tokenize", "none"]);
    let text = compare(&["a", "b", "--reference", "r", "--tokenize", "flores200", "--spm-model", model]);
    assert_eq!(text["metrics"][0]["baseline"]["score"], cut["metrics"][0]["baseline"]["score"]);
    assert_eq!(text["metrics"][0]["systems"][0]["p_value"], cut["metrics"][0]["systems"][0]["p_value"]);
    contains(text["metrics"][0]["signature"].as_str().unwrap(), &["|tok:flores200|"]);
}

#[test]
fn chrf_has_words_of_the_order_that_is_asked_for() {
    let folder = Folder::new();
    folder.write("a", "the dog sleeps in the street\n");
    folder.write("r1", "the dog slept in a street\n");
    let call = ["eval", "--hypotheses", "a", "--reference", "r1", "--metric"];
    let score = |more: &[&str]| folder.succeed(&[&call[..], more].concat(), "");
    assert_eq!(score(&["chrf", "--chrf-word-order", "2"]), score(&["chrf++"]));
    assert_ne!(score(&["chrf++", "--chrf-word-order", "3"]), score(&["chrf++"]));
}

#[test]
fn bad_input_is_named() {
    let folder = Folder::new();
    folder.write("two", "a\nb\n");
    folder.write("three", "a\nb\nc\n");
    folder.write("empty", "");
    fs::write(folder.path("latin1"), b"ab\nf\xfcr\n").unwrap();
    let compare = |systems: [&str; 2], reference: &str, more: &[&str]| {
        let mut args = vec!["compare", systems[0], systems[1], "--reference", reference];
        args.extend(more);
        folder.fail(&args, "")
    };
    contains(&compare(["two", "three"], "two", &[]), &["three has 3 lines", "the reference two has 2"]);
    contains(&compare(["empty", "empty"], "empty", &[]), &["empty has no lines"]);
    contains(&compare(["two", "latin1"], "two", &[]), &["latin1:2 is not UTF-8"]);
    contains(&compare(["two", "missing"], "two", &[]), &["missing"]);
    contains(&compare(["two", "two"], "two", &["--tokenize", "14z"]), &["14z", "13a"]);
    contains(&compare(["two", "two"], "two", &["--tokenize", "flores200"]), &["--spm-model"]);
    contains(&compare(["two", "two"], "two", &["--smooth", "half"]), &["half", "add-k"]);
    let two = |more: &[&str]| compare(["two", "two"], "two", more);
    contains(&two(&["--ter-no-punct"]), &["--ter-… is for ter: ask for it by --metric"]);
    contains(&two(&["--chrf-word-order", "2"]), &["--chrf", "chrf++"]);
    contains(&two(&["--split-compounds"]), &["--split-compounds is for paper-bleu"]);
    for option in [["--tokenize", "none"], ["--smooth", "none"]] {
        contains(&two(&["--metric", "chrf", option[0], option[1]]), &["are for bleu"]);
    }
    contains(&two(&["--metric", "wer", "--lowercase"]), &["--lowercase is for bleu and paper-bleu"]);
    let one = folder.run(&["compare", "two", "--reference", "two"], "");
    assert_eq!(one.status.code(), Some(2), "one system is not a comparison");
}

#[test]
fn tokenized_text_is_warned_of() {
    let folder = Folder::new();
    folder.write("a", &"it rained .\n".repeat(100));
    let args = ["compare", "a", "a", "--reference", "a"];
    let warning = |args: &[&str]| String::from_utf8(folder.run(args, "").stderr).unwrap();
    contains(&warning(&args), &["warning: a: 100 lines", "--force"]);
    assert_eq!(warning(&[&args[..], &["--force"]].concat()), "");
}
