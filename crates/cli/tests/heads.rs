//! Tags, answers, pairs and ranks on the command line, of models that are imported.

use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{Folder, contains, golden};

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    for name in ["bert-tags", "roberta-tags", "bert-answers", "bert-pairs", "roberta-rank"] {
        folder.import(name, name);
    }
    folder
});

/// The cases of a golden file of `crates/interchange`.
fn cases(name: &str) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(golden(name).join("outputs.json")).unwrap()).unwrap()
}

fn json(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_are_tagged() {
    for model in ["bert-tags", "roberta-tags"] {
        for case in cases(model).iter().filter(|case| case["text"] != "") {
            let text = case["text"].as_str().unwrap();
            for how in ["none", "simple", "average"] {
                let expected = case["tags"][how].as_array().unwrap();
                let shown = FOLDER.succeed(&["tag", "--model", model, "--aggregation", how, text], "");
                let mut lines = shown.lines();
                assert_eq!(lines.next(), Some(text), "{shown}");
                let tags: Vec<String> = expected
                    .iter()
                    .map(|tag| {
                        let (start, end) = (tag["start"].as_u64().unwrap(), tag["end"].as_u64().unwrap());
                        let part: String = text.chars().skip(start as usize).take((end - start) as usize).collect();
                        format!(
                            "  {}\t{:.4}\t{start}\t{end}\t{part}",
                            tag["label"].as_str().unwrap(),
                            tag["score"].as_f64().unwrap()
                        )
                    })
                    .collect();
                let close = |found: &str, expected: &str| {
                    let fields = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
                    let (found, expected) = (fields(found), fields(expected));
                    let score = |fields: &[String]| fields[1].parse::<f64>().unwrap();
                    (score(&found) - score(&expected)).abs() < 2e-4
                        && found[0] == expected[0]
                        && found[2..] == expected[2..]
                };
                let found: Vec<&str> = lines.collect();
                let agree = found.len() == tags.len() && found.iter().zip(&tags).all(|(a, b)| close(a, b));
                assert!(agree, "{model}, {how}:\n{shown}\n{tags:?}");
            }
        }
    }
}

#[test]
fn tags_have_places_in_bytes_too() {
    let text = "naïve ☃ street";
    let found = json(&FOLDER.succeed(&["tag", "--model", "bert-tags", "--json", "--all"], &format!("{text}\n\n")));
    assert_eq!((found.len(), &found[1]["tags"]), (2, &Value::Array(vec![])));
    assert_eq!(found[0]["text"], text);
    for tag in found[0]["tags"].as_array().unwrap() {
        let [start, end] = [0, 1].map(|at| tag["bytes"][at].as_u64().unwrap() as usize);
        assert_eq!(tag["text"], text[start..end]);
        assert_eq!(tag["start"], text[..start].chars().count());
    }
    let long = "the animal ".repeat(40);
    let input = format!("a\n{long}\n");
    contains(&FOLDER.fail(&["tag", "--model", "bert-tags"], &input), &["line 2 has ", "positions for 64"]);
    let cropped = FOLDER.succeed(&["tag", "--model", "bert-tags", "--on-long", "crop"], &input);
    assert!(cropped.lines().count() > 2, "{cropped}");
}

#[test]
fn blank_and_long_lines_have_their_place() {
    let long = "the animal ".repeat(40);
    let input = format!("the street\n\n{long}\n \u{3000}\nan end\n");
    let call = ["tag", "--model", "bert-tags", "--json"];
    let tags = |text: &str| json(&FOLDER.succeed(&[&call[..], &[text]].concat(), ""))[0]["tags"].clone();
    let nothing = Value::Array(Vec::new());
    // The model has 64 positions, of which two are the frame's.
    for (how, of_long) in [("crop", tags(&"the animal ".repeat(31))), ("skip", nothing.clone())] {
        let output = FOLDER.run(&[&call[..], &["--on-long", how]].concat(), &input);
        let said = String::from_utf8(output.stderr).unwrap();
        contains(&said, &["warning: line 3 has 82 tokens, and the model has positions for 64"]);
        assert_eq!(said.lines().count(), 1, "{said}");
        let found = json(&String::from_utf8(output.stdout).unwrap());
        let texts: Vec<&str> = found.iter().map(|line| line["text"].as_str().unwrap()).collect();
        assert_eq!(texts, input.lines().collect::<Vec<_>>());
        let expected = [&tags("the street"), &nothing, &of_long, &nothing, &tags("an end")];
        assert_eq!(found.iter().map(|line| &line["tags"]).collect::<Vec<_>>(), expected, "{how}");
    }
    let refused = FOLDER.run(&call, &input);
    contains(&String::from_utf8(refused.stderr).unwrap(), &["error: line 3 has 82 tokens", "--on-long crop"]);
    assert_eq!(String::from_utf8(refused.stdout).unwrap().lines().count(), 2, "the lines before it");

    // An answer is looked for in all of a long line.
    let call = ["answer", "--model", "bert-answers", "--question", "wide?"];
    let answers = FOLDER.succeed(&call, &input);
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(lines.iter().map(|line| line.is_empty()).collect::<Vec<_>>(), [false, true, false, true, false]);
    let alone = |text: &str| FOLDER.succeed(&[&call[..], &[text]].concat(), "");
    let expected = ["the street", &long, "an end"].map(alone);
    assert_eq!([lines[0], lines[2], lines[4]].map(|line| format!("{line}\n")), expected);
}

#[test]
fn questions_are_answered() {
    let case = &cases("bert-answers")[0]["answers"][0];
    let (question, text) = (case["question"].as_str().unwrap(), case["context"].as_str().unwrap());
    let call = ["answer", "--model", "bert-answers", "--question", question, "--window", "64", "--stride", "32"];
    let shown = FOLDER.succeed(&call, &format!("{text}\n\n"));
    let [answer, score, start, end] = shown.lines().next().unwrap().split('\t').collect::<Vec<_>>()[..] else {
        panic!("{shown}")
    };
    let best = &case["answers"][0];
    assert_eq!([start, end], ["start", "end"].map(|side| best[side].to_string()));
    assert!((score.parse::<f64>().unwrap() - best["score"].as_f64().unwrap()).abs() < 2e-4, "{shown}");
    assert_eq!((shown.lines().count(), text.contains(answer)), (2, true), "a blank line has no answer:\n{shown}");

    let several = FOLDER.succeed(&[&call[..], &["--top-k", "3", text]].concat(), "");
    assert_eq!((several.lines().count(), several.lines().next()), (4, Some(text)), "{several}");
    assert!(several.contains(&format!("  {score}\t{start}\t{end}\t{answer}\n")), "{several}");
    let found = json(&FOLDER.succeed(&[&call[..], &["--json", "--no-answer", "--top-k", "30", text]].concat(), ""));
    let answers = found[0]["answers"].as_array().unwrap();
    assert!(answers.iter().any(|answer| answer["answer"] == "" && answer["bytes"] == serde_json::json!([0, 0])));
    // A long line is read in windows.
    let long = format!("{} the end", "an animal was wide, ".repeat(60));
    let windows = FOLDER.succeed(&["answer", "--model", "bert-answers", "--question", "wide?", &long], "");
    assert_eq!(windows.split('\t').count(), 4, "{windows}");
    let question = "the animal ".repeat(40);
    let error = FOLDER.fail(&["answer", "--model", "bert-answers", "--question", &question, "a"], "");
    contains(&error, &["the question has ", "64 with a part of the text", "shorten it"]);
}

#[test]
fn pairs_are_classified() {
    let case = &cases("bert-pairs")[0];
    let pair = |pair: &Value| format!("{}\t{}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    let input: String = case["pairs"].as_array().unwrap().iter().map(pair).collect();
    let shown = FOLDER.succeed(&["classify", "--model", "bert-pairs", "--pair"], &input);
    for ((line, pair), logits) in shown.lines().zip(input.lines()).zip(case["logits"].as_array().unwrap()) {
        let logits: Vec<f64> = logits.as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap()).collect();
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let (label, logit) =
            ["no", "yes", "maybe"].into_iter().zip(&logits).max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
        assert!(line.starts_with(&format!("{label}\t{:.3}", logit.exp() / sum)[..label.len() + 5]), "{line}");
        assert!(line.ends_with(&format!("\t{pair}")), "{line}");
    }
    let output = FOLDER.run(&["classify", "--model", "bert-pairs", "--pair"], "a\tan end\n\nno tab\n");
    contains(&String::from_utf8(output.stderr).unwrap(), &["line 3 has no tab"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
}

#[test]
fn lines_are_sorted_by_a_query() {
    let case = &cases("roberta-rank")[0];
    let query = case["pairs"][0][0].as_str().unwrap();
    let texts = [case["pairs"][0][1].as_str().unwrap(), "an end", "a", "the street"];
    let input = texts.join("\n") + "\n\n";
    let shown = FOLDER.succeed(&["rerank", "--model", "roberta-rank", "--query", query], &input);
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split('\t').collect()).collect();
    let scores: Vec<f64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(rows.len() == 4 && scores.is_sorted_by(|a, b| a >= b), "{shown}");
    assert!(rows.iter().all(|row| texts[row[1].parse::<usize>().unwrap() - 1] == row[2]), "{shown}");
    let first = rows.iter().find(|row| row[1] == "1").unwrap();
    assert!((first[0].parse::<f64>().unwrap() - case["scores"][0].as_f64().unwrap()).abs() < 2e-4, "{shown}");
    let call = ["rerank", "--model", "roberta-rank", "--query", query, "--top-k", "1", "--json"];
    let best = json(&FOLDER.succeed(&call, &input));
    assert_eq!((best.len(), &best[0]["text"]), (1, &Value::from(rows[0][2])));
}

#[test]
fn a_command_says_what_a_model_is_for() {
    let refused = |args: &[&str]| FOLDER.fail(args, "a\tb\n");
    contains(&refused(&["answer", "--model", "bert-tags", "--question", "a"]), &["finds answers", "for tag, embed"]);
    contains(&refused(&["tag", "--model", "bert-answers"]), &["classes of tokens", "a bert, for answer, embed"]);
    contains(
        &refused(&["rerank", "--model", "bert-pairs", "--query", "a"]),
        &["a single label", "for classify, embed"],
    );
    contains(&refused(&["classify", "--pair", "--model", "roberta-tags"]), &["tells classes", "for tag, embed"]);
    let error = FOLDER.run(&["tag", "--aggregation", "last"], "");
    contains(&String::from_utf8(error.stderr).unwrap(), &["there are none, simple, first, average, max"]);
}

#[test]
fn laws_hold_for_models_with_any_head() {
    for model in ["roberta-rank", "bert-tags", "bert-answers", "bert-pairs"] {
        let shown = FOLDER.succeed(&["selftest", "--model", model], "");
        assert!(shown.lines().all(|line| line.contains("holds")), "{model}: {shown}");
    }
    contains(&FOLDER.succeed(&["inspect", "roberta-rank"], ""), &["reading      separators = 2"]);
}
