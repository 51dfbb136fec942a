//! The RNN as a user meets it: trained, decoded, scored and inspected by the commands that the Transformer has.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const RECIPE: &str = r#"
name = "copy"

[data]
train.tsv = "pairs.tsv"
validation.tsv = "pairs.tsv"
test.tsv = "pairs.tsv"

[tokenizer]
merges = 10

[model]
family = "rnn"
cell = "gru"
d_embedding = 32
d_hidden = 32
d_attention = 32

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

[evaluation]
bleu_sentences = 5
average_last = 2
"#;

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attentive"))
        .args(args)
        .current_dir(folder)
        .env_remove("ATTENTIVE_BACKEND")
        .output()
        .unwrap()
}

fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fail(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
    error
}

#[test]
fn the_copy_task_is_learnt_and_the_model_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let words = ["ab", "cd", "ef", "gh", "ij"];
    let line = |i: usize| {
        let text: Vec<&str> = (0..2 + i % 3).map(|place| words[(i * 7 + place * (i / 5 + 3)) % words.len()]).collect();
        text.join(" ")
    };
    let lines: Vec<String> = (0..120).map(line).collect();
    fs::write(folder.join("pairs.tsv"), lines.iter().map(|line| format!("{line}\t{line}\n")).collect::<String>())
        .unwrap();
    fs::write(folder.join("text"), lines.join("\n") + "\n").unwrap();
    fs::write(folder.join("recipe.toml"), RECIPE).unwrap();

    let shown = succeed(folder, &["train", "recipe.toml"]);
    assert!(shown.contains("GRU, d_embedding 32, d_hidden 32, 1+1 layers"), "{shown}");
    let score = succeed(folder, &["eval", "--source", "text", "--reference", "text"]);
    let bleu: f64 = score.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(bleu > 95.0, "{score}");
    assert_eq!(succeed(folder, &["translate", "--beam", "1", "ab cd ef"]), "ab cd ef\n");
    let inspected = succeed(folder, &["inspect", "--params"]);
    for part in ["rnn (encoder-decoder with additive attention)", "FLOPs", "decoder.attention.score [32, 1]"] {
        assert!(inspected.contains(part), "{part:?} is missing:\n{inspected}");
    }
    assert!(succeed(folder, &["selftest"]).lines().all(|line| line.contains("holds")));

    let error = fail(folder, &["translate", "--precision", "int8", "ab"]);
    assert!(error.contains("leave --precision out"), "{error}");
    let error = fail(folder, &["generate", "ab"]);
    assert!(error.contains("is a model of the family rnn"), "{error}");
    let error = fail(folder, &["train", "recipe.toml", "--set", "model.n_heads=3"]);
    assert!(error.contains("model.n_heads: no such setting"), "{error}");
    let error = fail(folder, &["train", "recipe.toml", "--set", "model.cell=elman"]);
    assert!(error.contains("`lstm`") && error.contains("`gru`"), "{error}");
    let error = fail(folder, &["train", "recipe.toml", "--set", "model.d_hidden=0"]);
    assert!(error.contains("model.d_hidden"), "{error}");
}
