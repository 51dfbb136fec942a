//! Training on every kind of tokenizer that a recipe takes, and scoring what it makes.

use std::fs;

use crate::support::{Folder, contains};

const RECIPE: &str = r#"
name = "kinds"

[data.train]
tsv = "pairs.tsv"

[model]
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
norm = "pre"

[batch]
max_tokens = 512

[schedule]
kind = "constant"
lr = 1e-3

[training]
steps = 2

[evaluation]
average_last = 1
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    let line = |i: usize| format!("the {} animal\tdas {} Tier\n", ["tired", "wide"][i % 2], ["müde", "breite"][i % 2]);
    folder.write("pairs.tsv", &(0..20).map(line).collect::<String>());
    folder.write("source", "the tired animal\n\nthe wide animal\n");
    folder.write("reference", "das müde Tier\n\ndas breite Tier\n");
    folder
}

#[test]
fn a_model_is_trained_on_every_kind() {
    let folder = folder();
    let kinds = [
        ("byte-level-bpe", "vocab_size = 300"),
        ("wordpiece", "vocab_size = 60"),
        ("unigram", "vocab_size = 300"),
        ("bytes", ""),
        ("characters", ""),
    ];
    for (kind, size) in kinds {
        folder.write("recipe.toml", &format!("{RECIPE}\n[tokenizer]\nkind = \"{kind}\"\n{size}\n"));
        let shown = folder.succeed(&["train", "recipe.toml"], "");
        contains(&shown, &["joint vocabulary", "20 training pairs"]);
        let translated = folder.succeed(&["translate"], "the tired animal\n");
        assert_eq!(translated.lines().count(), 1, "{kind}: {translated}");
        let scored = folder.succeed(&["eval", "--source", "source", "--reference", "reference"], "");
        contains(&scored, &["BLEU = ", "nrefs:1|", "perplexity ", "bits per byte"]);
    }
    // A tokenizer of another tool in place of one that is trained.
    folder.write("recipe.toml", &format!("{RECIPE}\n[tokenizer]\npath = \"byt5\"\n"));
    contains(&folder.succeed(&["train", "recipe.toml"], ""), &["384 entries"]);
}

#[test]
fn a_second_run_reads_the_tokens_of_the_first() {
    let folder = folder();
    let parts = "\n[data.validation]\nsource = \"source\"\ntarget = \"reference\"\n\n[tokenizer]\nmerges = 20\n";
    folder.write("recipe.toml", &format!("{RECIPE}{parts}"));
    let train = |settings: &[&str]| {
        let output = folder.run(&[&["train", "recipe.toml"], settings].concat(), "");
        assert!(output.status.success());
        let [said, aside] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let run = said.lines().next().unwrap().split(' ').nth(1).unwrap().to_owned();
        (fs::read(folder.path(&run).join("model.safetensors")).unwrap(), said, aside)
    };
    let files =
        || fs::read_dir(folder.path("runs/.tokens")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let (model, said, _) = train(&[]);
    assert_eq!(
        (said.matches("tokens are kept for later runs in runs/.tokens").count(), files().len()),
        (2, 2),
        "{said}"
    );
    let (again, said, _) = train(&[]);
    assert_eq!(said.matches("tokens of an earlier run are read from runs/.tokens").count(), 2, "{said}");
    assert!(model == again);
    // Damaged files are made again, with a notice, and nothing is learned from them.
    let whole: Vec<_> = files().iter().map(|path| fs::read(path).unwrap()).collect();
    for (path, whole) in files().iter().zip(&whole) {
        let mut bytes = whole.clone();
        bytes[100] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let (again, _, aside) = train(&[]);
    assert_eq!(aside.matches("the text is encoded again").count(), 2, "{aside}");
    assert!(model == again && files().iter().zip(whole).all(|(path, whole)| fs::read(path).unwrap() == whole));
    // Other rules, another tokenizer, another text: nothing old is used.
    for setting in ["rules.max_tokens=99", "tokenizer.merges=21", "data.train.columns=[2, 1]"] {
        let (_, said, _) = train(&["--set", setting]);
        contains(&said, &["tokens are kept for later runs"]);
    }
    let n = files().len();
    let (again, said, _) = train(&["--set", "data.cache=false"]);
    assert!(model == again && !said.contains("cache") && files().len() == n, "{said}");
}

#[test]
fn scores_of_a_model_and_of_its_translations_agree() {
    let folder = folder();
    folder.write("recipe.toml", &format!("{RECIPE}\n[tokenizer]\nmerges = 20\n"));
    folder.succeed(&["train", "recipe.toml"], "");
    let metrics = ["--metric", "bleu,chrf,chrf++,ter,paper-bleu", "--reference", "reference", "--reference", "source"];
    let model = [&["eval", "--source", "source", "--output", "out", "--overwrite"], &metrics[..]].concat();
    let shown = folder.succeed(&model, "");
    contains(
        &shown,
        &["BLEU = ", "chrF2 = ", "chrF2++ = ", "TER = ", "like:multi-bleu.perl", "nrefs:2|", "Two scores of"],
    );
    let of_file = folder.succeed(&[&["eval", "--hypotheses", "out"], &metrics[..]].concat(), "");
    assert!(shown.starts_with(&of_file), "{shown}\n{of_file}");
    assert_eq!(shown[of_file.len()..].lines().count(), 1, "{shown}");

    let json = folder.succeed(&[&model[..], &["--json", "--confidence", "--confidence-n", "50"]].concat(), "");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["scores"].as_array().unwrap().len(), 5);
    contains(json["scores"][0]["signature"].as_str().unwrap(), &["bs:50|seed:12345|"]);
    let [perplexity, bits] = ["perplexity", "bits_per_byte"].map(|key| json[key].as_f64().unwrap());
    assert!(perplexity > 1.0 && bits > 0.0, "{perplexity} {bits}");

    let sentences = ["eval", "--hypotheses", "reference", "--reference", "reference", "--sentence-level"];
    let sentences = folder.succeed(&sentences, "");
    assert_eq!(sentences.lines().count(), 3);
    contains(sentences.lines().next().unwrap(), &["BLEU|nrefs:1|case:mixed|eff:yes|tok:13a|", " = 100.00 100.0/"]);
}

/// Seeded: the same run gives the same model, interrupted or not.
#[test]
fn segmentations_are_drawn_anew_and_resumed() {
    let folder = folder();
    let train = |tokenizer: &str| {
        folder.write("recipe.toml", &format!("{RECIPE}\n[tokenizer]\n{tokenizer}\n"));
        let steps =
            ["--set", "training.steps=12", "--set", "training.checkpoint_every=5", "--set", "batch.max_tokens=60"];
        let shown =
            folder.succeed(&[&["train", "recipe.toml", "--set", "evaluation.average_last=3"], &steps[..]].concat(), "");
        let run = shown.lines().next().unwrap().split(' ').nth(1).unwrap().to_owned();
        (fs::read(folder.path(&run).join("model.safetensors")).unwrap(), run, shown)
    };
    for sampling in ["merges = 30\nbpe_dropout = 0.3", "kind = \"unigram\"\nvocab_size = 300\nunigram_alpha = 0.01"] {
        let (model, run, shown) = train(sampling);
        contains(&shown, &["drawn again in every epoch"]);
        let metrics = fs::read_to_string(folder.path(&run).join("metrics.jsonl")).unwrap();
        contains(&metrics, &["\"epoch\":0", "\"epoch\":1", "\"epoch\":2"]);
        assert!(model == train(sampling).0, "{sampling}");
        let (plain, ..) = train(
            &sampling
                .lines()
                .filter(|line| !line.contains("dropout") && !line.contains("alpha"))
                .map(|line| format!("{line}\n"))
                .collect::<String>(),
        );
        assert!(model != plain, "{sampling}");
        for checkpoint in fs::read_dir(folder.path(&run).join("checkpoints")).unwrap() {
            let path = checkpoint.unwrap().path();
            if !path.ends_with("step-00000005") {
                fs::remove_dir_all(path).unwrap();
            }
        }
        folder.succeed(&["train", "--resume", &run], "");
        // The mean is over the same checkpoints.
        assert!(model == fs::read(folder.path(&run).join("model.safetensors")).unwrap(), "{sampling}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let folder = folder();
    let train = |tokenizer: &str| {
        folder.write("recipe.toml", &format!("{RECIPE}\n[tokenizer]\n{tokenizer}\n"));
        folder.fail(&["train", "recipe.toml"], "")
    };
    contains(&train("kind = \"bpe\""), &["tokenizer.merges", "tokenizer.vocab_size"]);
    contains(&train("kind = \"unigram\"\nmerges = 9"), &["tokenizer.merges", "bpe"]);
    contains(&train("kind = \"wordpiece\""), &["wordpiece", "tokenizer.vocab_size"]);
    contains(&train("kind = \"bytes\"\nvocab_size = 9"), &["bytes", "tokenizer.vocab_size"]);
    contains(&train("kind = \"unigram\"\nvocab_size = 300\nlowercase = true"), &["tokenizer.lowercase"]);
    contains(&train("kind = \"pieces\"\nvocab_size = 300"), &["pieces", "wordpiece"]);
    contains(&train("path = \"byt5\"\nvocab_size = 300"), &["tokenizer.path"]);
    contains(&train("path = \"byt5\"\nlowercase = true"), &["tokenizer.lowercase", "read or trained"]);
    contains(&train("path = \"byt5\"\nbpe_dropout = 0.1"), &["tokenizer.bpe_dropout", "has one segmentation"]);
    folder.write("codes", "#version: 0.2\nt h\n");
    contains(&train("path = \"codes\"\nunigram_alpha = 0.1"), &["tokenizer.unigram_alpha", "by bpe_dropout"]);
    contains(&train("path = \"pairs.tsv\""), &["pairs.tsv"]);
    contains(&train("merges = 9\nbpe_dropout = 1.5"), &["tokenizer.bpe_dropout: 1.5 must be"]);
    contains(&train("kind = \"bytes\"\nbpe_dropout = 0.1"), &["tokenizer.bpe_dropout", "bpe"]);
    contains(&train("merges = 9\nunigram_alpha = 0.1"), &["tokenizer.unigram_alpha", "unigram"]);
    contains(&train("path = \"gone.json\""), &["gone.json"]);
}

#[test]
fn a_tokenizer_of_another_text_is_warned_of() {
    let folder = folder();
    folder.write("recipe.toml", &format!("{RECIPE}\n[tokenizer]\npath = \"words.txt\"\n"));
    let warned = |words: &str| {
        let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        folder.write(
            "words.txt",
            &specials.into_iter().chain(words.split(' ')).map(|word| format!("{word}\n")).collect::<String>(),
        );
        let output = folder.run(&["train", "recipe.toml"], "");
        assert!(output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        said.lines().find(|line| line.contains(" tokens of the training text are unknown")).map(str::to_owned)
    };
    let known = "the animal das tier";
    assert!(warned(known).is_some_and(|line| line.contains("40 of the first ")));
    assert_eq!(warned(&format!("{known} mude breite tired wide")), None);
}

#[test]
fn bad_test_sets_are_named() {
    let folder = folder();
    folder.write("short", "das müde Tier\n");
    let eval = |args: &[&str]| folder.fail(&[&["eval"], args].concat(), "");
    contains(&eval(&["--hypotheses", "source", "--reference", "short"]), &["source has 3 lines", "short has 1"]);
    contains(&eval(&["--hypotheses", "gone", "--reference", "short"]), &["gone"]);
    contains(
        &eval(&["--hypotheses", "source", "--reference", "reference", "--smooth-value", "2"]),
        &["--smooth-value"],
    );
    fs::write(folder.path("latin1"), b"f\xfcr\n").unwrap();
    contains(&eval(&["--hypotheses", "latin1", "--reference", "short"]), &["latin1:1 is not UTF-8"]);
}
