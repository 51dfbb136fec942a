//! What the doctor says of small files that have each fault.

use std::{fmt::Write, process::Output};

use crate::support::{Folder, contains};

const RUN: &str = r#"
[schedule]
kind = "constant"
lr = 1e-3

[training]
steps = 4
"#;

const SIZES: &str = r#"
[model]
d_model = 16
d_ff = 16
n_heads = 2
n_layers = 1

[model.positions.learned]
max_len = 32
"#;

/// Sentences of which no two are alike, some 30 characters long.
fn sentences(first: usize, n: usize) -> String {
    let words = ["old", "wide", "tired", "red", "small", "late"];
    let sentence =
        |i: usize| format!("the {} fox sees the {} hen {}\n", words[i % 6], words[i / 6 % 6], words[i / 36 % 6]);
    (first..first + n).map(sentence).collect()
}

fn folder(recipe: &str) -> Folder {
    let folder = Folder::new();
    folder.write("r.toml", &format!("name = \"r\"\n{recipe}{RUN}"));
    folder
}

#[test]
fn a_text_for_a_language_model() {
    let folder = folder(&format!(
        r#"task = "causal-lm"
[data]
train.text = "train.txt"
validation.text = "validation.txt"

[tokenizer]
kind = "characters"

[batch]
context = 16
rows = 2
{SIZES}"#
    ));
    let first = sentences(0, 1);
    folder.write("train.txt", &format!("{}\n{first}{first}", sentences(0, 30)));
    folder.write("validation.txt", &format!("{}{first}ein §\n", sentences(30, 10)));
    let shown = folder.succeed(&["doctor", "r.toml"], "");
    contains(
        &shown,
        &[
            "train     32 documents\n  text    32 to 36 tokens",
            "  blank   lines passed over: 1\n",
            "32 of 32 (100.0 %) documents have more than 16 tokens, and go on in the next context",
            "- train: 2 of 32 (6.2 %) documents are there before: lines 32, 33\n",
            "validation 12 documents\n  text    5 to ",
            "- validation: 1 of 12 (8.3 %) documents are in the training data: line 11\n",
            "text tokens are unknown: line 12\n",
            "s an update",
            "3 things to think about",
        ],
    );

    // The last tenth of a text that says the same thing over and over; short lines come again in any text.
    let lines: String = (0..40).fold(String::new(), |mut text, i| {
        write!(text, "FOX:\n{}", sentences(i % 30, 1).replace(" hen", " and the other animals")).unwrap();
        text
    });
    folder.write("train.txt", &lines);
    folder.write("validation.txt", "");
    folder.write(
        "r.toml",
        &folder_recipe(&folder)
            .replace("train.text = \"train.txt\"", "train = { text = \"train.txt\", documents = \"file\" }")
            .replace("validation.text = \"validation.txt\"", "validation_fraction = 0.1"),
    );
    let shown = folder.succeed(&["doctor", "r.toml"], "");
    contains(
        &shown,
        &[
            "train     7",
            " lines\n",
            "lines are there before: lines 62, 64, ",
            "lines are in the training data: lines ",
        ],
    );
}

#[test]
fn schedules_that_end_early_or_do_not_fall_are_told() {
    let schedule = "[schedule]\nkind = \"cosine\"\npeak = 1e-3\nwarmup_steps = 1\ntotal_steps = ";
    let folder = Folder::new();
    let recipe = |end: usize| {
        let data =
            "[data]\ntrain.text = \"train.txt\"\n[tokenizer]\nkind = \"characters\"\n[batch]\ncontext = 16\nrows = 2\n";
        format!("name = \"r\"\ntask = \"causal-lm\"\n{data}{SIZES}{schedule}{end}\n[training]\nsteps = 4\n")
    };
    folder.write("train.txt", &sentences(0, 30));
    folder.write("short.toml", &recipe(2));
    folder.write("whole.toml", &recipe(4));
    folder.write("none.toml", &recipe(4).replace("peak = 1e-3", "peak = 0.0"));
    folder.write("rising.toml", &recipe(4).replace("peak = 1e-3", "peak = 1e-3\nfloor = 1e-2"));
    folder.write("steep.toml", &recipe(4).replace("warmup_steps = 1", "warmup_steps = 5"));
    let idle = "the learning rate is 0 from update 2 on, and the rest of training.steps = 4 change nothing";
    for command in ["doctor", "train"] {
        let shown = |recipe| {
            let Output { status, stdout, stderr } = folder.run(&[command, recipe], "");
            assert!(status.success());
            String::from_utf8([stdout, stderr].concat()).unwrap()
        };
        contains(&shown("short.toml"), &[idle]);
        assert!(!shown("whole.toml").contains("the learning rate is 0"));
        contains(&shown("none.toml"), &["the learning rate is 0 at every update, and training changes nothing"]);
        contains(&shown("rising.toml"), &["floor = 0.01 is above peak = 0.001"]);
        contains(&shown("steep.toml"), &["total_steps = 4 come before the end of warmup_steps = 5"]);
    }
}

fn folder_recipe(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path("r.toml")).unwrap()
}

#[test]
fn all_that_a_recipe_lacks_is_told_at_once() {
    let folder = Folder::new();
    folder.write("r.toml", "task = \"causal-lm\"\n");
    let error = folder.fail(&["doctor", "r.toml"], "");
    contains(&error, &["`name` is missing (", "`schedule` is missing (", "`training` is missing ("]);
    folder.write("r.toml", "name = \"r\"\ntraining = {}\nschedule = { kind = \"cosine\" }\nmodle = {}\n");
    let error = folder.fail(&["doctor", "r.toml"], "");
    contains(
        &error,
        &[
            "r.toml:2: training: `steps` is missing (",
            "r.toml:3: schedule: `peak` is missing (",
            "r.toml:3: schedule: `warmup_steps` is missing (",
            "r.toml:3: schedule: `total_steps` is missing (",
            "r.toml:4: modle: no such setting; did you mean `model`?",
        ],
    );
}

#[test]
fn a_text_of_sentence_pairs() {
    let folder = folder(&format!(
        r#"task = "masked-lm"
[data.train]
text = "train.txt"
documents = "paragraph"

[tokenizer]
kind = "wordpiece"
vocab_size = 60

[batch]
context = 12
rows = 2
{SIZES}"#
    ));
    let long = "the old fox and the tired hen and the small fox and the red hen see the wide fox and the late hen\n";
    folder.write("train.txt", &format!("{}\n{long}\n{long}\n{}", sentences(0, 20), sentences(20, 1)));
    let shown = folder.succeed(&["doctor", "r.toml"], "");
    contains(
        &shown,
        &[
            "train     23 sentences\n",
            "- no [data.validation]: nothing will tell",
            "sentences have more than 9 tokens, and lose their rest: batch.context: line",
            "- train: 1 of 23 (4.3 %) sentences are there before: line 24\n",
            "- train: 3 of 4 (75.0 %) documents have a single sentence",
        ],
    );
}

#[test]
fn spans_that_want_more_sentinels() {
    let folder = folder(
        r#"task = "span-corruption"
[data]
train.text = "train.txt"
validation_fraction = 0.2

[tokenizer]
kind = "bytes"

[model]
preset = "byt5-small"
d_model = 16
d_ff = 16
n_heads = 2
d_k = 8
d_v = 8
n_encoder_layers = 1
n_decoder_layers = 1

[batch]
context = 300
rows = 2

[corruption]
rate = 0.5
mean_span = 1.0
"#,
    );
    folder.write("train.txt", &sentences(0, 60));
    let shown = folder.succeed(&["doctor", "r.toml"], "");
    contains(
        &shown,
        &[
            "train     48 documents\n",
            "validation 12 documents\n",
            "- corruption: a context wants 150 hidden spans",
            "one thing to think about",
        ],
    );
}

#[test]
fn labelled_texts() {
    let folder = folder(&format!(
        r#"task = "classification"
[data]
train.tsv = "train.tsv"
validation.tsv = "validation.tsv"

[tokenizer]
kind = "wordpiece"
vocab_size = 60

[batch]
context = 10
rows = 4
{SIZES}"#
    ));
    let labeled = |text: &str, label: &str| text.lines().map(|line| format!("{line}\t{label}\n")).collect::<String>();
    let one = sentences(0, 1);
    let train = [
        labeled(&sentences(0, 26), "up"),
        labeled(&sentences(26, 2), "down"),
        labeled(&sentences(28, 1), "Up"),
        "\n".into(),
        labeled(&one, "up"),
        labeled(&one, "down"),
        "\tup\n".into(),
        "the old fox and the tired hen and the small fox and the red hen\tup\n".into(),
    ];
    folder.write("train.tsv", &train.concat());
    folder.write("validation.tsv", &[labeled(&one, "up"), labeled(&sentences(1, 1), "down")].concat());
    let shown = folder.succeed(&["doctor", "r.toml"], "");
    contains(
        &shown,
        &[
            "labels    3 in train\n  up: 29 of 33 (87.9 %)\n  down: 3 of 33 (9.1 %)\n  Up: 1 of 33 (3.0 %)\n",
            "- train: \"Up\" have 10 times fewer texts than \"up\"",
            "- validation: \"Up\" have no text here",
            "- labels: \"Up\", \"up\" differ in case alone",
            "train     33 texts\n",
            "  blank   lines passed over: 1\n",
            "- train: 1 of 33 (3.0 %) texts are empty: line 33\n",
            "- train: 1 of 33 (3.0 %) texts are there before: line 31\n",
            "- train: 1 of 33 (3.0 %) texts are there before with other labels: line 32\n",
            "texts have more than 8 tokens, and are cut off: batch.context: line",
            "- validation: 1 of 2 (50.0 %) texts are in the training data: line 1\n",
            "- validation: 1 of 2 (50.0 %) texts are in the training data, with other labels: line 2\n",
            "- no [data.test]: nothing will tell",
        ],
    );

    // What training is refused for does not hide the rest.
    folder.write("validation.tsv", &labeled(&sentences(40, 2), "sideways"));
    let output = folder.run(&["doctor", "r.toml"], "");
    assert_eq!(output.status.code(), Some(1));
    contains(
        &String::from_utf8(output.stdout).unwrap(),
        &["- validation: \"sideways\" are not labels of the training texts\n", "differ in case alone"],
    );
    contains(
        &String::from_utf8(output.stderr).unwrap(),
        &["data.validation has labels that data.train does not have: \"sideways\" (2 of its texts)"],
    );

    // The text is where the label should be.
    let turned: String = sentences(0, 30).lines().map(|line| format!("up\t{line}\n")).collect();
    folder.write("train.tsv", &turned);
    folder.write("validation.tsv", &turned);
    let output = folder.run(&["doctor", "r.toml"], "");
    let shown = String::from_utf8(output.stdout).unwrap();
    contains(
        &String::from_utf8(output.stderr).unwrap(),
        &["data.train has 30 labels for 30 texts: where the label is in another column, columns = [2, 1]"],
    );
    assert!(shown.contains(" and 20 more\n") && shown.lines().all(|line| line.len() < 1_000), "{shown}");
}

#[test]
fn sentence_pairs() {
    let folder = folder(
        r#"
[data]
train.tsv = "train.tsv"
test.tsv = "test.tsv"

[rules]
max_tokens = 20

[tokenizer]
kind = "characters"

[model]
d_model = 16
d_ff = 16
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
"#,
    );
    let pairs: String =
        (0..20).map(|i| format!("ab {}\tb {0}\n", "c".repeat(i % 7 + 1) + &"d".repeat(i / 7))).collect();
    folder.write("train.tsv", &format!("{pairs}a\t\n{}\ta\nab c\ta b\n", "ab ".repeat(10)));
    folder.write("test.tsv", "ab c\tb c\nab c\tb\n\n");
    let shown = folder.succeed(&["doctor", "r.toml"], "");
    contains(
        &shown,
        &[
            "train     22 pairs\n  source  4 to 30 tokens",
            "- no [data.validation]: nothing will tell",
            "- train: empty line, once: train.tsv:21; skipped\n",
            "- train: 1 of 22 (4.5 %) pairs have more than 20 tokens, and are left out: rules.on_over_long: line 22\n",
            "pairs have one side more than 3 times as long as the other: line 22\n",
            "- test: 1 of 3 (33.3 %) pairs are empty: line 3\n",
            "- test: 1 of 3 (33.3 %) pairs are in the training data: line 1\n",
            "- test: 1 of 3 (33.3 %) sources are in the training data, with other targets: line 2\n",
        ],
    );
}
