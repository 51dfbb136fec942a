//! Translations under constraints, and as objects of JSON.

use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{COPIED, Folder, TINY, contains};

/// A translator that has learnt little: what it is held to is the search's.
static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    folder.write_copying("copy", [60, 60, 60], TINY);
    folder.succeed(&["train", "copy.toml"], "");
    folder
});

fn translate(more: &[&str], input: &str) -> (Vec<String>, String) {
    let output = FOLDER.run(&[&["translate"], more].concat(), input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{more:?}: {said}");
    (String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect(), said)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn has(line: &str, phrase: &str) -> bool {
    words(line).windows(words(phrase).len()).any(|window| window == words(phrase))
}

#[test]
fn phrases_must_and_must_not_be_there() {
    let input = format!("{}\n\n{}\n", COPIED[0], COPIED[3]);
    let (lines, said) = translate(&["--must", "cd was", "--must", "ab"], &input);
    assert_eq!((lines.len(), &lines[1][..], said.lines().count()), (3, "", 2), "{said}");
    contains(&said, &["line 2: \"cd was\" is missing", "line 2: \"ab\" is missing"]);
    for line in [&lines[0], &lines[2]] {
        assert!(has(line, "cd was") && has(line, "ab"), "{line:?}");
    }
    let free = translate(&[], &input).0;
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic());
    let forbidden: Vec<&str> = free.iter().flat_map(|line| words(line)).filter(is_word).collect();
    assert!(!forbidden.is_empty(), "{free:?}");
    let flags: Vec<&str> = forbidden.iter().flat_map(|word| ["--must-not", word]).collect();
    for line in translate(&flags, &input).0 {
        assert!(forbidden.iter().all(|word| !has(&line, word)), "{line:?} has one of {forbidden:?}");
    }
    FOLDER.write("terms.tsv", "it was\tcd cd\n\nwas cd\tit it\ncdx\twas\n");
    let (lines, _) = translate(&["--terms", "terms.tsv"], &input);
    assert!(has(&lines[0], "cd cd") && lines[1].is_empty() && has(&lines[2], "it it"), "{lines:?}");
    // What has no room is told, and costs no line.
    let (lines, said) = translate(&["--must", "ab cd it was", "--max-length", "2"], &input);
    assert_eq!(lines.len(), 3);
    contains(&said, &["line 1: \"ab cd it was\" has no room", "line 3", "raise --max-length"]);
}

/// A model that writes no end writes as much as it may.
#[test]
fn a_length_that_is_asked_for_does_not_depend_on_the_source() {
    let folder = Folder::new();
    folder.write_copying("copy", [6, 2, 3], TINY);
    // Id 2 ends a sentence: after no token.
    let ends: Vec<String> = (0..300).map(|id| format!("[{id}, 2]")).collect();
    let endless = format!("decoding.bad_words=[{}]", ends.join(", "));
    folder.succeed(&["train", "copy.toml", "--set", &endless, "--set", "decoding.max_len_offset=3"], "");
    let n_tokens = |more: &[&str]| {
        let told = folder.succeed(&[&["translate", "--format", "jsonl"], more, &["ab cd"]].concat(), "");
        serde_json::from_str::<Value>(&told).unwrap()["tokens"].as_array().unwrap().len()
    };
    assert!(n_tokens(&[]) < 20);
    for n in ["5", "40"] {
        assert_eq!(n_tokens(&["--max-length", n]).to_string(), n);
    }
}

#[test]
fn a_line_is_an_object() {
    let input = format!("{}\n\n{}\n", COPIED[0], COPIED[3]);
    let (lines, _) = translate(&["--format", "jsonl", "--n-best", "3"], &input);
    let plain = translate(&[], &input).0;
    assert_eq!(lines.len(), 3);
    for (number, (line, plain)) in lines.iter().zip(&plain).enumerate() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["id"], number + 1);
        assert_eq!(object["source"], input.lines().nth(number).unwrap());
        assert_eq!(object["translation"], plain[..]);
        let all = object["hypotheses"].as_array().unwrap();
        if number == 1 {
            assert!(object["tokens"].as_array().unwrap().is_empty() && all.len() == 1, "{object}");
            continue;
        }
        assert_eq!((all.len(), &all[0]["tokens"]), (3, &object["tokens"]));
        for one in all {
            let sum: f64 =
                one["tokens"].as_array().unwrap().iter().map(|token| token["log_prob"].as_f64().unwrap()).sum();
            assert!((sum - one["log_prob"].as_f64().unwrap()).abs() < 1e-4, "{one}");
            assert!(one["tokens"][0]["token"].is_string());
        }
    }
    let (lines, _) = translate(&["--format", "jsonl", "--must", "ab"], "\n");
    assert_eq!(serde_json::from_str::<Value>(&lines[0]).unwrap()["unmet"], serde_json::json!(["ab"]));
    let (lines, _) = translate(&["--format", "jsonl", "--max-length", "1", "--must", "ab cd it was"], COPIED[0]);
    let object: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&object["unmet"][0], &object["is_finished"]), (&Value::from("ab cd it was"), &Value::from(false)));
}

#[test]
fn a_coverage_penalty_is_in_the_score() {
    let scores = |more: &[&str]| -> Vec<(f64, f64)> {
        let (lines, _) = translate(&[&["--scores", COPIED[0], COPIED[3]], more].concat(), "");
        let numbers =
            |line: &String| line.split('\t').take(2).map(|number| number.parse().unwrap()).collect::<Vec<f64>>();
        lines.iter().map(numbers).map(|numbers| (numbers[0], numbers[1])).collect()
    };
    let (without, none, with) =
        (scores(&[]), scores(&["--coverage-penalty", "0"]), scores(&["--coverage-penalty", "5"]));
    assert_eq!(without, none);
    assert!(with.iter().zip(&without).any(|(with, without)| with.0 < without.0), "{with:?} {without:?}");
    let refused = FOLDER.run(&["translate", "--coverage-penalty", "1", "--samples", "2", "ab"], "");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot be used with"));
    let error = FOLDER.fail(&["translate", "--coverage-penalty", "1", "--backend", "ndarray", "ab"], "");
    assert!(error.contains("a coverage penalty needs the attention of the model"), "{error}");
}

#[test]
fn prefixes_are_completed_preferred_and_gone_on_with() {
    let (lines, _) = translate(&["--prefix", "cd w", "--complete", COPIED[0]], "");
    assert!(lines[0].starts_with("cd w"), "{lines:?}");
    let (lines, _) = translate(&["--prefix", "cd", "--alternatives", "3", COPIED[0]], "");
    assert_eq!(lines.iter().filter(|line| line.starts_with("1\tcd")).count(), 3, "{lines:?}");
    let free = translate(&[COPIED[0]], "").0;
    let biased = |beta: &str| translate(&["--prefix", "cd it was", "--prefix-bias", beta, COPIED[0]], "").0;
    assert_eq!(biased("0"), free);
    assert!(biased("0.999999")[0].starts_with("cd it was"));
    let (lines, _) = translate(&["--groups", "2", "--diversity", "2", "--n-best", "2", COPIED[0]], "");
    assert_eq!(lines.len(), 2);
    let mean = translate(&["--beam-rules", "never", "--length-penalty", "1", "--scores", COPIED[0]], "").0;
    let numbers: Vec<f64> = mean[0].split('\t').take(2).map(|number| number.parse().unwrap()).collect();
    assert!(numbers[1] / numbers[0] > 1.0 && (numbers[1] / numbers[0]).fract() < 0.02, "{mean:?}");
}

#[test]
fn constraints_at_odds_are_refused() {
    FOLDER.write("bad.tsv", "ab\tcd\nno tab\n");
    for (more, said) in [
        (&["--terms", "bad.tsv"][..], "bad.tsv:2"),
        (&["--terms", "nowhere.tsv"], "nowhere.tsv"),
        (&["--must", "ab cd", "--must-not", "cd"], "is required"),
        (&["--must", " "], "can't be written"),
        (&["--must", "ab", "--samples", "2"], "at random"),
        (&["--groups", "3"], "does not divide"),
    ] {
        contains(&FOLDER.fail(&[&["translate"], more, &["ab"]].concat(), ""), &[said]);
    }
    for (more, said) in [
        (&["--complete"][..], "--prefix"),
        (&["--prefix-bias", "0.5"], "--prefix"),
        (&["--prefix", "ab", "--prefix-bias", "1"], "below 1"),
        (&["--alternatives", "2", "--n-best", "2"], "cannot be used with"),
        (&["--diversity", "2"], "--groups"),
        (&["--beam-rules", "other"], "must be gnmt"),
    ] {
        let output = FOLDER.run(&[&["translate"], more, &["ab"]].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        contains(&String::from_utf8_lossy(&output.stderr), &[said]);
    }
}
