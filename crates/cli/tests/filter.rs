//! A corpus cleaned by the command.

use std::fs;

use serde_json::Value;

use crate::support::{Folder, contains};

const SOURCE: &[u8] =
    "the dog\n\nthe dog\nthe cat\nno ? utf\nthe bird\na b c d\nDie Straße ist breit und leer.\nthe house is old\n"
        .as_bytes();
const TARGET: &str =
    "der Hund\nleer\nder Hund\ndie Katze\nkein\nder Vogel\na\nDie Straße ist breit.\ndas Haus ist alt\n";

fn folder() -> Folder {
    let folder = Folder::new();
    let source: Vec<u8> = SOURCE.iter().map(|&byte| if byte == b'?' { 0xff } else { byte }).collect();
    fs::write(folder.path("a.en"), source).unwrap();
    folder.write("a.de", TARGET);
    folder
}

const CALL: &str = "filter --source a.en --target a.de --out-source clean.en --out-target clean.de";

fn words(call: &str) -> Vec<&str> {
    call.split(' ').collect()
}

#[test]
fn the_report_is_the_guides() {
    let folder = folder();
    let call = format!("{CALL} --source-language en --target-language de --report report.json");
    let said = folder.succeed(&words(&call), "");
    let guide = include_str!("../../../docs/guide/train.md");
    assert!(guide.contains(&format!("```text\n{said}```")), "{said}");
    let read = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
    assert_eq!(read("clean.en"), "the dog\nthe cat\nthe bird\nthe house is old\n");
    assert_eq!(read("clean.de"), "der Hund\ndie Katze\nder Vogel\ndas Haus ist alt\n");
    let report: Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!((&report["report"]["n_read"], &report["rules"]["source_language"]), (&9.into(), &"en".into()));

    contains(&folder.fail(&words(CALL), ""), &["clean.en is there already", "--force"]);
    folder.succeed(&words(&format!("{CALL} --force")), "");
    assert_eq!(read("clean.en").lines().count(), 5, "languages are looked at if they are named");
}

#[test]
fn columns_and_standard_input_are_read() {
    let folder = folder();
    let tsv = "1\tder Hund\tthe dog\n2\tnur\n3\tdie Katze\tthe cat\n";
    let said = folder.succeed(&words("filter --source - --columns 3 2 --out clean.tsv"), tsv);
    contains(&said, &["2 of 3 lines kept", "standard input:2"]);
    assert_eq!(fs::read_to_string(folder.path("clean.tsv")).unwrap(), "the dog\tder Hund\nthe cat\tdie Katze\n");
    for (call, what) in [
        ("filter --source a.de --out x --rule max_ratio=none", "max_ratio"),
        ("filter --source a.de --out x --rule max_ration=2", "max_ration"),
        ("filter --source a.de --out x --source-language tlh", "\"tlh\" is not a language"),
        ("filter --source a.de --out x --model nowhere", "one language"),
        ("filter --source a.en --target a.de --out x --model nowhere", "nowhere"),
        ("filter --source a.de --columns 0 1 --out x", "counted from 1"),
        ("filter --source a.de --out x --rule max_ratio=2", "max_ratio is of pairs"),
        ("filter --source a.de --out x --rule identical=true", "identical is of pairs"),
        ("filter --source a.de --out x --rule min_confidence=0.9", "min_confidence is of languages"),
        ("filter --source a.de --out x --rule source_language=en --source-language fr", "fr and, by a rule, en"),
        ("filter --source a.de --out a.de", "a.de is read"),
    ] {
        contains(&folder.fail(&words(call), ""), &[what]);
        assert!(!folder.path("x").exists() && !folder.path("x.part").exists());
    }
    let twice = folder.misuse(&words("filter --source - --columns 1 2 --columns 2 3 --out x"));
    contains(&twice, &["--columns", "multiple times"]);
    let agreed = "filter --source a.de --out x --rule source_language=de --source-language de";
    folder.succeed(&words(agreed), "");
}
