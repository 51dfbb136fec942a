//! The RNN as a user meets it: trained, decoded, scored and inspected by the commands that the Transformer has.

use crate::support::{Folder, contains};

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

#[test]
fn the_copy_task_is_learnt_and_the_model_can_be_used() {
    let folder = Folder::new();
    let words = ["ab", "cd", "ef", "gh", "ij"];
    let line = |i: usize| {
        let text: Vec<&str> = (0..2 + i % 3).map(|place| words[(i * 7 + place * (i / 5 + 3)) % words.len()]).collect();
        text.join(" ")
    };
    let lines: Vec<String> = (0..120).map(line).collect();
    folder.write("pairs.tsv", &lines.iter().map(|line| format!("{line}\t{line}\n")).collect::<String>());
    folder.write("text", &(lines.join("\n") + "\n"));
    folder.write("recipe.toml", RECIPE);

    let shown = folder.succeed(&["train", "recipe.toml"], "");
    assert!(shown.contains("GRU, d_embedding 32, d_hidden 32, 1+1 layers"), "{shown}");
    let score = folder.succeed(&["eval", "--source", "text", "--reference", "text"], "");
    let bleu: f64 = score.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(bleu > 95.0, "{score}");
    assert_eq!(folder.succeed(&["translate", "--beam", "1", "ab cd ef"], ""), "ab cd ef\n");
    let inspected = folder.succeed(&["inspect", "--params"], "");
    contains(
        &inspected,
        &["rnn (encoder-decoder with additive attention)", "FLOPs", "decoder.attention.score [32, 1]"],
    );
    assert!(folder.succeed(&["selftest"], "").lines().all(|line| line.contains("holds")));

    let error = folder.fail(&["translate", "--precision", "int8", "ab"], "");
    assert!(error.contains("leave --precision out"), "{error}");
    let error = folder.fail(&["generate", "ab"], "");
    assert!(error.contains("is a model of the family rnn"), "{error}");
    let error = folder.fail(&["train", "recipe.toml", "--set", "model.n_heads=3"], "");
    assert!(error.contains("model.n_heads: no such setting"), "{error}");
    let error = folder.fail(&["train", "recipe.toml", "--set", "model.cell=elman"], "");
    assert!(error.contains("model.cell: \"elman\" must be one of: lstm, gru"), "{error}");
    let error = folder.fail(&["train", "recipe.toml", "--set", "model.d_hidden=0"], "");
    assert!(error.contains("model.d_hidden"), "{error}");
}
