//! Language models as a user meets them: from a text to a model that writes, and what it says of bad input.

use std::fs;

use crate::support::{Folder, contains, golden};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("recipe.toml", RECIPE);
    // Letters in their order, round and round: every letter follows from the one before.
    let line = |n: usize| ('a'..='j').cycle().skip(n % 10).take(9).chain(['\n']).collect::<String>();
    folder.write("text.txt", &(0..100).map(line).collect::<String>());
    folder
}

const RECIPE: &str = r#"
name = "letters"
task = "causal-lm"

[data]
validation_fraction = 0.1

[data.train]
text = "text.txt"
documents = "line"

[tokenizer]
kind = "byte-level-bpe"
vocab_size = 261

[model]
d_model = 32
d_ff = 64
n_heads = 2
n_layers = 1
dropout = 0.0
attention_dropout = 0.0

[model.positions.learned]
max_len = 16

[batch]
context = 16
rows = 4

[schedule]
kind = "cosine"
peak = 1e-2
warmup_steps = 10
total_steps = 150

[training]
steps = 150
clip_norm = 1.0
validate_every = 75
checkpoint_every = 50

[evaluation]
samples = 1
"#;

#[test]
fn letters_are_learnt_and_the_model_can_be_used() {
    let folder = folder();
    let shown = folder.succeed(&["train", "recipe.toml"], "");
    for part in
        ["training tokens", "261 entries", "validation: loss", "bits a byte", "--- sample 1 ---", "generate --model"]
    {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }

    assert!(folder.follow(&shown, "generate --model ").starts_with("abcdefghi"), "the first text");
    // After each letter comes the next one; the model goes on beyond its 16 positions.
    let greedy = ["generate", "--temperature", "0", "--max-tokens", "7", "ab"];
    assert_eq!(folder.succeed(&greedy, ""), "abcdefghi\n");
    let stopped = [&greedy[..], &["--stop", "fg", "--no-prompt"]].concat();
    assert_eq!(folder.succeed(&stopped, ""), "cde\n");
    assert_eq!(folder.run(&["generate", "--stop", "", "ab"], "").status.code(), Some(2));
    let length = |settings: &[&str]| folder.succeed(&[&["generate", "--no-prompt", "a"], settings].concat(), "").len();
    assert!(length(&["--max-tokens", "40", "--min-tokens", "40"]) > length(&["--max-tokens", "2"]));
    let error = folder.fail(&["generate", "a", "--min-tokens", "9", "--max-tokens", "3"], "");
    assert!(error.contains("--min-tokens 9 is more than --max-tokens 3"), "{error}");
    let error = folder.fail(&["generate", "a", "--min-tokens", "999"], "");
    assert!(error.contains("--min-tokens 999 is more than the 200 that the model's settings allow"), "{error}");
    let once = ["--temperature", "0", "--max-tokens", "9", "--min-tokens", "9", "--no-repeat-ngram", "1"];
    let once = folder.succeed(&[&["generate", "a"], &once[..]].concat(), "");
    assert!(once.trim_end().chars().all(|c| once.matches(c).count() == 1), "{once}");
    let held = |settings: &[&str]| folder.succeed(&[&["generate", "--no-prompt", "ab"], settings].concat(), "");
    assert_eq!(held(&["--regex", "c[d-f]{3}x", "--temperature", "0"]), "cdefx\n");
    assert_eq!(held(&["--regex", "[a-f]{9}", "--temperature", "0", "--max-tokens", "3"]), "cde\n", "cut, with a note");
    folder.write(
        "schema.json",
        r#"{"type": "object", "properties": {"ab": {"enum": ["cd", "ef"]}}, "required": ["ab"]}"#,
    );
    let object: serde_json::Value = serde_json::from_str(&held(&["--json-schema", "schema.json"])).unwrap();
    assert!(object["ab"] == "cd" || object["ab"] == "ef", "{object}");
    folder.write("grammar.gbnf", "root ::= \"c\" (\"d\" | \"x\")");
    assert_eq!(held(&["--grammar", "grammar.gbnf", "--temperature", "0"]), "cd\n");
    folder.write("not.json", r#"{"not": {}}"#);
    let refused = |args: &[&str]| String::from_utf8(folder.run(args, "").stderr).unwrap();
    let error = refused(&["generate", "a", "--json-schema", "not.json"]);
    assert!(
        error.contains("not.json") && error.contains("the schema at #/not: the keyword not is not supported"),
        "{error}"
    );
    assert!(refused(&["generate", "a", "--regex", "a+", "--grammar", "grammar.gbnf"]).contains("cannot be used with"));
    let from_stdin = ["generate", "--temperature", "0", "--max-tokens", "2", "-"];
    assert_eq!(folder.succeed(&from_stdin, "cd"), "cdef\n");

    // At temperature 0 nothing is drawn that a limit could change; these are none.
    let flags = ["--top-k", "--top-p", "--min-p", "--typical-p", "--epsilon-cutoff", "--eta-cutoff"];
    for (flag, value) in flags.into_iter().zip(["4", "0.9", "0.1", "0.9", "0.1", "0.1"]) {
        let error = folder.fail(&[&greedy[..], &[flag, value]].concat(), "");
        assert!(error.contains(&format!("{flag} limits what is drawn")) && error.contains("--temperature"), "{error}");
    }
    assert_eq!(folder.succeed(&[&greedy[..], &["--top-k", "0", "--top-p", "1"]].concat(), ""), "abcdefghi\n");

    let sampled = |seed: &str| {
        let args = ["generate", "--temperature", "1.5", "--top-k", "50", "--seed", seed, "--samples", "3"];
        folder.succeed(&args, "")
    };
    assert_eq!(sampled("1"), sampled("1"));
    assert_ne!(sampled("1"), sampled("2"));
    assert!(sampled("1").lines().count() >= 3);

    let scores = folder.succeed(&["score"], "abcdefg\ngacfbde\n");
    let columns: Vec<Vec<&str>> = scores.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((columns[0][3], columns[1][3]), ("abcdefg", "gacfbde"));
    let value = |row: usize, column: usize| columns[row][column].parse::<f64>().unwrap();
    assert!(value(0, 0) > value(1, 0) && value(0, 1) < value(1, 1) && value(0, 2) < value(1, 2), "{scores}");
    // Seven tokens of a byte each: the three columns say the same.
    assert!((value(1, 1) - (-value(1, 0) / 7.0).exp()).abs() < 1e-3 * value(1, 1), "{scores}");
    assert!((value(1, 2) + value(1, 0) / 7.0 / 2_f64.ln()).abs() < 1e-3, "{scores}");

    // A blank line has no tokens to score, and its place.
    let with_blank = folder.succeed(&["score"], "abcdefg\n\ngacfbde\n");
    let [first, second] = [0, 1].map(|row| scores.lines().nth(row).unwrap());
    assert_eq!(with_blank, format!("{first}\n0.0000\t-\t-\t\n{second}\n"));

    // Without the end-of-text token before it, the first of them is given.
    let bare = folder.succeed(&["score", "--begin=false", "gacfbde"], "");
    assert!(bare.split('\t').next().unwrap().parse::<f64>().unwrap() > value(1, 0), "{bare}");
    assert_eq!(
        folder.succeed(&["generate", "--begin=false", "--temperature", "0", "--max-tokens", "2", "ab"], ""),
        "abcd\n"
    );

    let inspected = folder.succeed(&["inspect"], "");
    for part in
        ["family       gpt", "parameters ", "cache ", "score        validation bits-per-byte", "text.txt (100 lines"]
    {
        assert!(inspected.contains(part), "{part:?} is missing:\n{inspected}");
    }
    assert!(folder.fail(&["translate", "ab"], "").contains("family gpt"));
}

#[test]
fn texts_are_drafted_contrasted_and_told_as_objects() {
    let folder = folder();
    folder.succeed(&["train", "recipe.toml", "--set", "generation.sampling.top_k=1"], "");
    folder.succeed(&["train", "recipe.toml", "--set", "model.d_model=8"], "");
    let greedy = ["generate", "--model", "runs/letters-1", "--temperature", "0", "--max-tokens", "27"];
    let plain = folder.succeed(&[&greedy[..], &["ab", "e"]].concat(), "");
    assert!(plain.starts_with("abcdefghi") && plain.lines().count() > 1, "{plain}");
    let small = ["--draft", "runs/letters-2", "--draft-tokens", "3"];
    for drafts in [&small[..], &["--draft", "runs/letters-1"], &["--draft-ngrams", "2", "--draft-tokens", "5"]] {
        let output = folder.run(&[&greedy[..], drafts, &["ab", "e"]].concat(), "");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (String::from_utf8(output.stdout).unwrap(), output.status.success()),
            (plain.clone(), true),
            "{told}"
        );
        assert!(told.starts_with("drafts: ") && told.contains(" passes of the model"), "{told}");
    }
    folder.write("other.toml", &RECIPE.replace("261", "262").replace("letters", "other"));
    folder.succeed(&["train", "other.toml"], "");
    let error = folder.fail(&[&greedy[..], &["--draft", "runs/other-1", "ab"]].concat(), "");
    assert!(error.contains("only a model of the same vocabulary drafts for it"), "{error}");
    for (flags, problem) in [
        (&["--contrastive", "0.5", "--temperature", "0"][..], "cannot be used with"),
        (&["--draft", "runs/letters-2", "--draft-ngrams", "2"], "cannot be used with"),
        (&["--draft-ngrams", "2", "--regex", "a*"], "cannot be used with"),
        (&["--draft-tokens", "2"], "required arguments were not provided"),
    ] {
        let error = String::from_utf8(folder.run(&[&["generate", "ab"], flags].concat(), "").stderr).unwrap();
        assert!(error.contains(problem), "{error}");
    }

    let contrastive = ["generate", "--model", "runs/letters-1", "--max-tokens", "6", "ab", "--contrastive"];
    assert_eq!(folder.succeed(&[&contrastive[..], &["0"]].concat(), ""), "abcdefgh\n");
    assert_ne!(folder.succeed(&[&contrastive[..], &["1", "--top-k", "20"]].concat(), ""), "abcdefgh\n");
    // Which --top-k is of, whatever the temperature of the model's folder: 0 of this one.
    folder.import("gpt2", "gpt2");
    let imported = ["generate", "--model", "gpt2", "--max-tokens", "2", "a", "--top-k", "4"];
    let error = folder.fail(&imported, "");
    assert!(error.contains("--top-k limits what is drawn"), "{error}");
    folder.succeed(&[&imported[..], &["--contrastive", "0.5"]].concat(), "");
    // A limit of sampling in the model's folder is not the number of candidates.
    let among_four = folder.succeed(&[&contrastive[..], &["1", "--top-k", "4"]].concat(), "");
    assert_eq!(folder.succeed(&[&contrastive[..], &["1"]].concat(), ""), among_four);

    let jsonl = ["--format", "jsonl", "--max-tokens", "4", "--samples", "2", "--stop", "h", "ab", "e"];
    let objects = folder.succeed(&[&greedy[..5], &jsonl[..]].concat(), "");
    let objects: Vec<serde_json::Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [
        ("ab", 1, 1, "cdef", "length"),
        ("e", 2, 1, "fg", "stop"),
        ("ab", 1, 2, "cdef", "length"),
        ("e", 2, 2, "fg", "stop"),
    ];
    assert_eq!(objects.len(), expected.len());
    for (object, (prompt, id, sample, text, ended)) in objects.iter().zip(expected) {
        assert_eq!((&object["prompt"], &object["id"], &object["sample"]), (&prompt.into(), &id.into(), &sample.into()));
        assert_eq!((&object["text"], &object["ended"]), (&text.into(), &ended.into()), "{object}");
        let tokens = object["tokens"].as_array().unwrap();
        let sum: f64 = tokens.iter().map(|token| token["log_prob"].as_f64().unwrap()).sum();
        assert!(
            (sum - object["log_prob"].as_f64().unwrap()).abs() < 1e-9 && tokens[0]["token"].is_string(),
            "{object}"
        );
    }
}

#[test]
fn a_conversation_goes_on_from_what_was_said() {
    let folder = folder();
    folder.succeed(&["train", "recipe.toml"], "");
    let says = folder.fail(&["chat", "--prompt", "ab"], "");
    assert!(says.contains("has no chat template") && says.contains("chat_template.jinja"), "{says}");
    // A template that is laid beside the model is used.
    let write = |template: &str| folder.write("runs/letters-1/chat_template.jinja", template);
    write("{{ greeting }}{% for m in messages %}{{ m.content }}{% endfor %}");
    let greedy = ["chat", "--temperature", "0", "--max-tokens", "2"];
    let chat = |flags: &[&str], input: &str| folder.succeed(&[&greedy[..], flags].concat(), input);
    assert_eq!(chat(&["--prompt", "ab"], "ignored"), "cd\n");
    assert_eq!(chat(&["-p", "e", "--system", "abcd"], ""), "fg\n");
    assert_eq!(chat(&["-p", "f", "--variable", "greeting=abcde"], ""), "gh\n");
    assert_eq!(chat(&[], "ab\n\ne\n"), "cd\nfg\n");
    assert_eq!(chat(&[], "abc\nf\n/undo\nf\n/reset\nbc\n/system a\n/exit\nb\n"), "de\ngh\ngh\nde\n");
    let output = folder.run(&greedy, "/undo\n/help\nab\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("no message to take back") && told.contains("/reset"), "{told}");

    // Sixteen positions hold one message and its answer.
    let output = folder.run(&greedy, "abcdefgh\nabcdef\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ij\ngh\n");
    assert!(told.contains("2 oldest messages are forgotten"), "{told}");
    let error = folder.fail(&greedy, "ab\nabcdefghijabcdefghij\n");
    assert!(error.contains("line 2") && error.contains("positions for 16"), "{error}");
    write("{{ raise_exception('Only tools speak here.') }}");
    assert!(folder.fail(&greedy, "ab").contains("refuses the conversation: Only tools speak here."));
    write("{% if %}");
    assert!(folder.fail(&greedy, "ab").contains("line 1"));
}

#[test]
fn an_interrupted_run_goes_on_where_it_stood() {
    let folder = folder();
    folder.succeed(&["train", "recipe.toml", "--set", "batch.contexts=random"], "");
    let whole = fs::read(folder.path("runs/letters-1/model.safetensors")).unwrap();
    fs::remove_dir_all(folder.path("runs/letters-1/checkpoints")).unwrap();
    fs::remove_file(folder.path("runs/letters-1/model.safetensors")).unwrap();
    // A run that was killed before its first checkpoint begins again.
    folder.succeed(&["train", "--resume", "runs/letters-1"], "");
    let again = fs::read(folder.path("runs/letters-1/model.safetensors")).unwrap();
    assert!(whole == again, "a second beginning changes the result");

    let settings = ["train", "recipe.toml", "--set", "batch.contexts=random", "--set", "evaluation.average_last=3"];
    folder.succeed(&settings, "");
    fs::remove_dir_all(folder.path("runs/letters-2/checkpoints/step-00000150")).unwrap();
    let shown = folder.succeed(&["train", "--resume", "runs/letters-2"], "");
    assert!(shown.contains("step-00000100"), "{shown}");
    let last = fs::read(folder.path("runs/letters-2/checkpoints/step-00000150/model.safetensors")).unwrap();
    assert!(whole == last, "resuming changes the result");
}

#[test]
fn presets_are_shown_without_being_made() {
    let folder = folder();
    let shown = folder.succeed(&["inspect", "--preset", "gpt-3-175b"], "");
    for part in ["174,604,", "GiB for weights", "n_layers = 96", "cache "] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
    assert!(folder.succeed(&["inspect", "--preset", "big"], "").contains("encoder-decoder"));
    assert!(folder.fail(&["inspect", "--preset", "gpt-5"], "").contains("gpt-2-medium"));
    assert!(folder.misuse(&["inspect", "runs/x", "--preset", "big"]).contains("cannot be used with"));
}

#[test]
fn bad_input_is_named() {
    let folder = folder();
    let says = |settings: &[&str], parts: &[&str]| {
        let sets = settings.iter().flat_map(|setting| ["--set", setting]);
        let args: Vec<&str> = ["train", "recipe.toml"].into_iter().chain(sets).collect();
        let error = folder.fail(&args, "");
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing: {error}");
        }
    };
    says(&["task=chess"], &["causal-lm"]);
    says(&["model.preset=gpt-9"], &["gpt-2"]);
    says(&["model.d_modell=3"], &["d_modell"]);
    says(&["model.n_heads=3"], &["d_model = 32", "n_heads = 3"]);
    says(&["batch.context=17"], &["batch.context = 17", "max_len = 16"]);
    says(&["batch.rows=0"], &["batch.rows"]);
    says(&["data.validation_fraction=1"], &["validation_fraction"]);
    says(&["data.train.text=missing.txt"], &["missing.txt"]);
    says(&["generation.sampling.top_p=0"], &["top_p"]);
    says(&["tokenizer.merges=4"], &["tokenizer.merges", "kind bpe"]);
    says(&["tokenizer.kind=unigram", "tokenizer.min_frequency=4"], &["min_frequency", "byte-level-bpe"]);
    fs::write(folder.path("latin.txt"), b"caf\xe9\n").unwrap();
    says(&["data.train.text=latin.txt"], &["latin.txt:1", "UTF-8"]);
    folder.write("short.txt", "ab");
    says(&["data.train.text=short.txt", "data.validation_fraction=0"], &["data.train: ", "tokens", "batch.context"]);
    says(&["data.validation_fraction=0.001"], &["data.validation_fraction: ", "give it more", "batch.context"]);
}

#[test]
fn models_write_together() {
    let folder = folder();
    for seed in ["training.seed=1", "training.seed=5"] {
        folder.succeed(&["train", "recipe.toml", "--set", "training.steps=20", "--set", seed], "");
    }
    let [first, second] = ["runs/letters-1", "runs/letters-2"];
    let call = ["generate", "--model", first, "--seed", "3", "--temperature", "2", "--max-tokens", "30", "ab"];
    let generate = |more: &[&str]| folder.succeed(&[&call[..], more].concat(), "");
    let alone = generate(&[]);
    assert_eq!(generate(&["--with", first]), alone, "a model twice is the model");
    assert_eq!(generate(&["--with", second, "--weights", "1,1e-12"]), alone, "the other hardly counts");
    let together = generate(&["--with", second]);
    assert_ne!(together, alone);
    assert_eq!(generate(&["--with", second, "--weights", "2,2"]), together, "all alike");
    let error = folder.fail(&[&call[..], &["--with", second, "--weights", "1"]].concat(), "");
    assert!(error.contains("1 weights for 2 models"), "{error}");
    for of_one in [["--draft", second], ["--contrastive", "0.5"]] {
        let refused = folder.run(&["generate", "--with", second, of_one[0], of_one[1], "ab"], "");
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(2) && error.contains("cannot be used with"), "{error}");
    }
}

#[test]
fn bytes_that_are_rounded_as_a_model_is_loaded_are_those_of_quantize() {
    let folder = Folder::new();
    // Its embeddings are not those of the projection.
    let file = golden("gguf").join("llama.gguf").display().to_string();
    folder.succeed(&["import", &file, "--out", "model"], "");
    folder.succeed(&["quantize", "--model", "model", "--out", "bytes"], "");
    let score = |more: &[&str]| folder.succeed(&[&["score", "--model"], more, &["a b c"]].concat(), "");
    assert_eq!(score(&["model", "--precision", "int8"]), score(&["bytes"]));
    assert_ne!(score(&["model"]), score(&["bytes"]));
    let again = folder.run(&["quantize", "--model", "bytes", "--out", "twice"], "");
    contains(&String::from_utf8_lossy(&again.stderr), &["bytes: its precision is int8 already"]);
    assert_eq!(score(&["twice"]), score(&["bytes"]));
    let file = golden("gguf").join("llama-blocks.gguf").display().to_string();
    folder.succeed(&["import", &file, "--out", "blocks"], "");
    let said = folder.run(&["quantize", "--model", "blocks", "--out", "of-blocks"], "");
    contains(&String::from_utf8_lossy(&said.stderr), &["blocks: its weights are in blocks", "rounded a second time"]);
}
