//! Words that are aligned, searches as trees and attention as a page, on the command line.

use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{COPIED, Folder, TINY, contains};

/// A translator that has learnt little.
static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    folder.write_copying("copy", [6, 2, 3], TINY);
    folder.succeed(&["train", "copy.toml"], "");
    folder
});

fn read(file: &str) -> String {
    std::fs::read_to_string(FOLDER.path(file)).unwrap()
}

#[test]
fn each_translation_has_its_alignment() {
    let input = format!("{}\n\n{}\n", COPIED[0], COPIED[3]);
    let plain = FOLDER.succeed(&["translate", "--n-best", "2", "--beam", "2", "--max-length", "8"], &input);
    for how in ["--alignment", "--alignment=attention:1", "--alignment=probability"] {
        let flags = ["translate", how, "--n-best", "2", "--beam", "2", "--max-length", "8"];
        let aligned = FOLDER.succeed(&flags, &input);
        let columns: Vec<(&str, &str)> = aligned.lines().map(|line| line.rsplit_once('\t').unwrap()).collect();
        assert_eq!(columns.iter().map(|(text, _)| *text).collect::<Vec<_>>(), plain.lines().collect::<Vec<_>>());
        let json = FOLDER.succeed(&[&flags[..], &["--format", "jsonl"]].concat(), &input);
        let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |object: &Value| {
            let all = object["hypotheses"].as_array().cloned().unwrap_or_else(|| vec![object.clone()]);
            all.into_iter().map(|one| (object["source"].clone(), one)).collect::<Vec<_>>()
        };
        let all: Vec<(Value, Value)> = objects.iter().flat_map(of).collect();
        assert_eq!(all.len(), columns.len());
        for ((source, one), (text, pairs)) in all.iter().zip(&columns) {
            let listed: Vec<[usize; 2]> = serde_json::from_value(one["alignment"].clone()).unwrap();
            let written: Vec<String> = listed.iter().map(|[from, to]| format!("{from}-{to}")).collect();
            assert_eq!(written.join(" "), *pairs);
            let n_words = |text: &str| text.split_whitespace().count();
            let sizes = [source.as_str().unwrap(), one["translation"].as_str().unwrap()].map(n_words);
            assert!(listed.iter().all(|pair| pair[0] < sizes[0] && pair[1] < sizes[1]), "{text}: {pairs}");
        }
    }
    let refused = FOLDER.run(&["translate", "--alignment=eyes", "ab"], "");
    contains(&String::from_utf8_lossy(&refused.stderr), &["\"eyes\" is not a way to align words", "attention:LAYER"]);
    let error = FOLDER.fail(&["translate", "--alignment=attention:9", "ab"], "");
    contains(&error, &["no layer 9"]);
    // A line without words has the alignment that it has, and is written before the error of the next one.
    let output = FOLDER.run(&["translate", "--alignment=attention:9"], "\nab\n");
    contains(&String::from_utf8_lossy(&output.stderr), &["error: line 2: words are not aligned: ", "no layer 9"]);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b"\t\n"[..]));
    FOLDER.write("bad.align", "0-0\n0:1\n");
    let error = FOLDER.fail(&["eval", "--metric", "aer", "--hypotheses", "bad.align", "--reference", "bad.align"], "");
    contains(&error, &["segment 2", "\"0:1\" is not an alignment"]);
}

#[test]
fn a_search_is_a_tree_in_a_file() {
    for (file, part) in
        [("a.txt", "result 1"), ("a.json", "\"fate\""), ("a.svg", "<svg"), ("a.html", "<!doctype html>")]
    {
        let shown = FOLDER.succeed(&["translate", "--tree", file, "--min-length", "2", "ab cd"], "");
        assert_eq!(shown, FOLDER.succeed(&["translate", "--min-length", "2", "ab cd"], ""));
        contains(&read(file), &[part, "below the beam"]);
    }
    contains(&FOLDER.fail(&["translate", "--tree", "a.png", "ab"], ""), &["a.png", ".html"]);
    for flags in [&["ab", "cd"][..], &["--temperature", "2", "ab"]] {
        let error = FOLDER.fail(&[&["translate", "--tree", "a.txt"], flags].concat(), "");
        contains(&error, &["--tree is of the search for one sentence"]);
    }
}

#[test]
fn attention_is_a_page() {
    let said = FOLDER.run(&["attention", "--html", "attention.html", "ab cd"], "");
    assert!(said.status.success());
    contains(&read("attention.html"), &["<dd dir=\"auto\">ab cd</dd>", "decoder to encoder", "default-src 'none'"]);
    assert!(!FOLDER.path("attention.svg").exists(), "a page alone was asked for");
}
