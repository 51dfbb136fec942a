//! One model for several directions, as a user meets it: trained, asked for a language, scored, exported, gone on with.

use std::fs;

use serde_json::Value;

use crate::support::{Folder, contains};

const RECIPE: &str = r#"
name = "both"

[data]
source_language = "en"
target_language = "de"
directions = "both"
train = { source = "train.en", target = "train.de" }
validation = { source = "train.en", target = "train.de" }
test = { source = "train.en", target = "train.de" }

[tokenizer]
merges = 60

[model]
d_model = 32
d_ff = 64
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
dropout = 0.0
norm = "pre"

[batch]
max_tokens = 256

[schedule]
kind = "cosine"
peak = 1e-2
warmup_steps = 20
total_steps = 300

[training]
steps = 300
clip_norm = 1.0
validate_every = 150
checkpoint_every = 50

[objective]
label_smoothing = 0.0

[evaluation]
bleu_sentences = 10
average_last = 1

[decoding]
beam = 1
"#;

/// Sentences of a small grammar, whose German articles agree in gender and case.
fn sentences() -> [String; 2] {
    // The noun in English and German, and its articles.
    let nouns = [("dog", "hund", "der", "den"), ("cat", "katze", "die", "die"), ("horse", "pferd", "das", "das")];
    let verbs = [("sees", "sieht"), ("likes", "mag"), ("hears", "hört")];
    let mut sides = [String::new(), String::new()];
    for subject in nouns {
        for verb in verbs {
            for object in nouns.iter().filter(|object| object.0 != subject.0) {
                sides[0] += &format!("the {} {} the {}\n", subject.0, verb.0, object.0);
                sides[1] += &format!("{} {} {} {} {}\n", subject.2, subject.1, verb.1, object.3, object.1);
            }
        }
    }
    sides
}

fn folder() -> Folder {
    let folder = Folder::new();
    let [english, german] = sentences();
    folder.write("train.en", &english);
    folder.write("train.de", &german);
    folder.write("both.toml", RECIPE);
    folder
}

#[test]
fn both_directions_are_learnt_and_the_language_is_asked_for() {
    let folder = folder();
    let shown = folder.succeed(&["train", "both.toml"], "");
    contains(&shown, &["languages en-de, de-en; en-de where a user says nothing", "test en-de", "test de-en"]);
    let record = fs::read_to_string(folder.path("runs/both-1/training.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let files = record["data"].as_array().unwrap();
    assert_eq!(files.len(), 6, "each file once, and not once for each direction: {files:?}");
    for direction in ["en-de", "de-en"] {
        let of = |split: &str, metric: &str| {
            let scores = record["scores"].as_array().unwrap().iter();
            let is_it = |score: &&Value| score["split"] == format!("{split} {direction}") && score["metric"] == metric;
            scores.clone().find(is_it).and_then(|score| score["value"].as_f64()).unwrap()
        };
        assert!(of("test", "exact") > 90.0 && of("test", "bleu") > 90.0, "{direction}: {record}");
        assert!(of("validation", "perplexity") < 1.5, "{direction}: {record}");
    }
    let log = fs::read_to_string(folder.path("runs/both-1/metrics.jsonl")).unwrap();
    contains(&log, &["\"bleu\":", "\"bleu en-de\":", "\"bleu de-en\":"]);

    // The command that the run's end proposes names the language.
    assert!(!folder.follow(&shown, "--target-language de").trim().is_empty());
    let [english, german] = sentences();
    let translate = |more: &[&str], text: &str| folder.succeed(&[&["translate"], more].concat(), text);
    assert_eq!(translate(&[], &english), german, "the usual language is that of the first direction");
    assert_eq!(translate(&["--target-language", "de"], &english), german);
    assert_eq!(translate(&["--source-language", "de", "--target-language", "en"], &german), english);
    let eval = |language: &str, source: &str, reference: &str| {
        let args = ["eval", "--target-language", language, "--source", source, "--reference", reference];
        folder.succeed(&args, "")
    };
    for (language, source, reference) in [("de", "train.en", "train.de"), ("en", "train.de", "train.en")] {
        contains(&eval(language, source, reference), &["= 100.00", "perplexity 1.0"]);
    }
    let error = folder.fail(&["translate", "--target-language", "fr", "the dog"], "");
    contains(&error, &["no language \"fr\"", "de, en"]);
    let error = folder.fail(&["translate", "--source-language", "fr", "the dog"], "");
    contains(&error, &["no language \"fr\"", "de, en"]);

    let export = |format: &'static str| ["export", "--model", "runs/both-1", "--format", format, "--out", format];
    contains(&folder.succeed(&export("ctranslate2"), ""), &["note: put what stands around a source, its language too"]);
    let error = folder.fail(&export("m2m_100"), "");
    contains(&error, &["M2M100", "export it as marian"]);

    // Fine-tuning keeps the languages, and has to know those that it is given.
    let tune =
        ["train", "both.toml", "--set", "pretrained=runs/both-1", "--set", "training.steps=2", "--set", "name=more"];
    folder.succeed(&[&tune[..], &["--set", "data.directions=backward"]].concat(), "");
    assert_eq!(translate(&["--model", "runs/more-1"], &german), english, "its own direction is the usual one");
    let tokenizer = |run: &str| fs::read_to_string(folder.path(run).join("tokenizer.json")).unwrap();
    assert_eq!(tokenizer("runs/more-1").matches(">>de<<").count(), tokenizer("runs/both-1").matches(">>de<<").count());
    let error = folder.fail(&[&tune[..], &["--set", "data.target_language=fr"]].concat(), "");
    contains(&error, &["no language \"fr\"", "de, en"]);
}

#[test]
fn a_run_of_several_corpora_goes_on_to_the_same_weights() {
    let folder = folder();
    let corpora = r#"
[[data.train]]
source = "train.en"
target = "train.de"
directions = "both"

[[data.train]]
tsv = "more.tsv"
columns = [3, 1]
source_language = "fr"
target_language = "en"
"#;
    folder.write("more.tsv", "the dog\t1\tle chien\nthe cat\t2\tle chat\n");
    let recipe =
        RECIPE.replace("directions = \"both\"\ntrain = { source = \"train.en\", target = \"train.de\" }\n", "");
    folder.write("three.toml", &format!("{recipe}{corpora}"));
    let short =
        ["--set", "training.steps=6", "--set", "training.validate_every=3", "--set", "training.checkpoint_every=2"];
    let train = |more: &[&str]| folder.succeed(&[&["train", "three.toml"], &short[..], more].concat(), "");
    let shown = train(&["--set", "name=whole"]);
    contains(&shown, &["languages en-de, de-en, fr-en", "38 training pairs"]);
    train(&["--set", "name=halted", "--set", "training.steps=4"]);
    folder.succeed(&["train", "--resume", "runs/halted-1", "--set", "training.steps=6"], "");
    let weights = |run: &str| fs::read(folder.path(run).join("model.safetensors")).unwrap();
    assert!(weights("runs/whole-1") == weights("runs/halted-1"), "a run that goes on is another one");

    // Mixed at a temperature, small corpora come more often, and a run goes on all the same.
    let mixed = ["--set", "data.temperature=5"];
    let shown = train(&[&mixed[..], &["--set", "name=mixed"]].concat());
    let expected =
        ["mixture   in an epoch 14 of", "train.en (en-de), 14 of", "train.de (de-en), 9 of", "more.tsv (fr-en) pairs"];
    contains(&shown, &expected);
    train(&[&mixed[..], &["--set", "name=mixed-halted", "--set", "training.steps=4"]].concat());
    folder.succeed(&["train", "--resume", "runs/mixed-halted-1", "--set", "training.steps=6"], "");
    assert!(weights("runs/mixed-1") == weights("runs/mixed-halted-1"), "a mixed run that goes on is another one");
    assert!(weights("runs/mixed-1") != weights("runs/whole-1"));

    // French is read alone, and a direction that nobody trained is one of the languages all the same.
    let error = folder.fail(&["translate", "--model", "runs/whole-1", "--target-language", "fr", "the dog"], "");
    contains(&error, &["no language \"fr\"", "de, en"]);
    folder.succeed(
        &["translate", "--model", "runs/whole-1", "--source-language", "fr", "--target-language", "de", "chien"],
        "",
    );

    let refused = |settings: &[&str], expected: &[&str]| {
        let args: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        contains(&folder.fail(&[&["train", "three.toml"], &args[..]].concat(), ""), expected);
    };
    refused(&["data.validation.target_language=it"], &["data.validation", "has en-it", "en-de, de-en, fr-en"]);
    refused(&["data.train=[]"], &["data.train", "it has no files"]);
    refused(&["data.train=[{tsv=\"more.tsv\"}, {tsv=3}]"], &["data.train[1].tsv: 3 must be"]);
    refused(&["data.train={tsv=\"more.tsv\"}", "data.target_language=en"], &["from \"en\" into \"en\""]);
    let error = folder.fail(&["train", "both.toml", "--set", "data.source_language=\"e n\""], "");
    contains(&error, &["\"e n\" is not the name of a language"]);
}
