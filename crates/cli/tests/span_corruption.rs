//! T5 as a user meets it: trained on a text to fill in spans, and on pairs to translate; used, inspected, sent out and back.

use crate::support::{Folder, contains};

const MODEL: &str = r#"
[tokenizer]
kind = "bytes"

[model]
preset = "byt5-small"
d_model = 32
d_ff = 48
n_heads = 2
d_k = 16
d_v = 16
n_encoder_layers = 2
n_decoder_layers = 1
dropout = 0.0
attention_dropout = 0.0
activation_dropout = 0.0

[schedule]
kind = "cosine"
peak = 1e-2
warmup_steps = 20
total_steps = 120

[training]
steps = 120
clip_norm = 1.0
validate_every = 60
checkpoint_every = 60
"#;

const SPANS: &str = r#"
name = "letters"
task = "span-corruption"

[data]
validation_fraction = 0.1

[data.train]
text = "text.txt"

[batch]
context = 40
rows = 8

[corruption]
mean_span = 4.0
"#;

const PAIRS: &str = r#"
name = "copy"

[data]
train.tsv = "pairs.tsv"
validation.tsv = "pairs.tsv"
test.tsv = "pairs.tsv"

[batch]
max_tokens = 512

[evaluation]
bleu_sentences = 3
average_last = 1

[decoding]
max_len_offset = 4
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    let line =
        |n: usize| ('a'..='j').cycle().skip(n % 10).take(14).map(String::from).collect::<Vec<_>>().join(" ") + "\n";
    folder.write("text.txt", &(0..200).map(line).collect::<String>());
    let pair = |n: usize| format!("{0}\t{0}\n", ["a", "bb", "abba", "cab", "bac"][n % 5]);
    folder.write("pairs.tsv", &(0..60).map(pair).collect::<String>());
    folder.write("spans.toml", &format!("{SPANS}{MODEL}"));
    folder.write("pairs.toml", &format!("{PAIRS}{MODEL}"));
    folder
}

#[test]
fn a_text_teaches_to_fill_in_spans() {
    let folder = folder();
    let told = folder.succeed(&["train", "spans.toml"], "");
    let expected = ["15 % hidden in spans of 4", "2+1 layers", "target tokens right", "[MASK]", "fill --model"];
    contains(&told, &expected);
    contains(&folder.follow(&told, "[MASK]"), &["  [MASK] 1\n"]);

    let text = "a b c d e [MASK] i j a b c d <extra_id_1> h i j";
    let filled = folder.succeed(&["fill", "--model", "runs/latest", "--top-k", "2", text], "");
    contains(&filled, &["[MASK] 1", "[MASK] 2"]);
    contains(&folder.fail(&["fill", "--model", "runs/latest", "nothing hidden"], ""), &["no [MASK]"]);

    contains(&folder.succeed(&["selftest", "--model", "runs/latest"], ""), &["causality  holds", "cache      holds"]);
    let shown = folder.succeed(&["inspect", "runs/latest"], "");
    contains(&shown, &["family       transformer", "scale_scores = false", "token-accuracy"]);

    folder.succeed(&["export", "--model", "runs/latest", "--format", "t5", "--out", "t5"], "");
    folder.succeed(&["import", "t5", "--out", "back"], "");
    assert_eq!(folder.succeed(&["fill", "--model", "back", "--top-k", "2", text], ""), filled);
    let refused = folder.fail(&["export", "--model", "runs/latest", "--format", "marian", "--out", "marian"], "");
    contains(&refused, &["Marian can't express"]);
}

#[test]
fn targets_that_positions_do_not_reach_are_refused() {
    let settings = [
        "model.preset=base",
        "model.positions={ learned = { max_len = 65 } }",
        "batch.context=64",
        "corruption={ rate = 0.5, mean_span = 1.0 }",
    ];
    let args: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let error = folder().fail(&[&["train", "spans.toml"], &args[..]].concat(), "");
    contains(&error, &["a target of 66 tokens of batch.context = 64", "model.positions.learned.max_len = 65"]);
}

#[test]
fn a_learnt_vocabulary_gets_sentinels() {
    let folder = folder();
    let settings = ["tokenizer={kind = \"unigram\", vocab_size = 290}", "training.steps=3", "corruption.mean_span=2.0"];
    let args: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let told = folder.succeed(&[&["train", "spans.toml"], &args[..]].concat(), "");
    contains(&told, &["381 entries in the vocabulary", "fill --model"]);
    contains(&folder.succeed(&["fill", "--model", "runs/latest"], "a b [MASK] d\n"), &["[MASK] 1"]);
}

#[test]
fn bytes_are_translated() {
    let folder = folder();
    contains(&folder.succeed(&["train", "pairs.toml"], ""), &["384 entries in the joint vocabulary", "BLEU"]);
    let translate = |beam: &str| folder.succeed(&["translate", "--beam", beam], "abba\ncab\n");
    assert_eq!(translate("1").lines().count(), 2);
    assert_eq!(translate("4").lines().count(), 2);
    folder.write("source.txt", "abba\ncab\n");
    contains(&folder.succeed(&["eval", "--source", "source.txt", "--reference", "source.txt"], ""), &["BLEU"]);
    assert_eq!(folder.succeed(&["translate", "--precision", "int8"], "cab\n").lines().count(), 1);
    let refused = folder.fail(&["translate", "--precision", "int8", "--backend", "ndarray"], "cab\n");
    contains(&refused, &["precision int8", "leave --precision out"]);
}

#[test]
fn what_cannot_be_is_said() {
    let folder = folder();
    let fail = |settings: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        folder.fail(&["train", "spans.toml"].into_iter().chain(settings).collect::<Vec<_>>(), "")
    };
    contains(&fail(&["corruption.rate=1.0"]), &["corruption.rate: 1.0 must be a number above 0 and below 1"]);
    contains(&fail(&["corruption.mean_span=0.5"]), &["corruption.mean_span: 0.5 must be a number from 1 to"]);
    contains(&fail(&["model.preset=t5-tiny"]), &["t5-small", "byt5-xxl"]);
    contains(&fail(&["tokenizer={kind = \"wordpiece\", vocab_size = 300}"]), &["no sentinels", "take bytes, unigram"]);
    contains(&folder.succeed(&["inspect", "--preset", "byt5-small"], ""), &["parameters   299,637,760"]);
}
